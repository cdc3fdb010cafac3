import type { Numbers } from "./outbox_store.js";
/** A publish as the database has it. */
export interface Row {
    /** Its key, which rises with each publish of any tab. */
    readonly row: number;
    readonly stream: string;
    readonly payload: string;
    readonly bytes: number;
}
/** The number of a publish that was given one: it may have been sent. */
export interface RowNumber {
    readonly row: number;
    readonly sequence: number;
    readonly numberedMs: number;
}
/** What the database held when its owner came. */
export interface Kept {
    readonly producerId: string;
    readonly numbers: readonly Numbers[];
    readonly rows: readonly Row[];
    readonly rowNumbers: readonly RowNumber[];
    /** Rows above this one were added later. */
    readonly lastRow: number;
}
/** One record about all rows; it is written in each transaction that adds or removes some. */
interface Account {
    producerId: string;
    messages: number;
    bytes: number;
}
/** Something to be written with others in one transaction. */
export interface Change {
    /** Make the requests. It may be called again when the transaction failed. */
    apply(stores: Readonly<Record<StoreName, IDBObjectStore>>, account: Account): void;
    /** It is on the disk. */
    done?(): void;
    /** It is not, and will not be tried again. Without this function it is. */
    failed?(error: unknown): void;
}
declare const STORE_NAMES: readonly ["publishes", "rowNumbers", "numbers", "account"];
type StoreName = (typeof STORE_NAMES)[number];
/**
 * The IndexedDB database of an outbox. Many tabs may have it open; the keys of the publishes are
 * their order. Writes are on the disk when they are said to be, many in one transaction.
 */
export declare class Journal {
    #private;
    private constructor();
    /** `trouble` hears what cannot be written, and why the database was taken away. */
    static open(name: string, trouble: (cause: unknown) => void): Promise<Journal>;
    /** Everything, for a new owner. Where nothing waits, numbers begin anew under another id. */
    load(): Promise<Kept>;
    /** The publishes that came behind this one. */
    rowsAfter(row: number): Promise<Row[]>;
    write(change: Change): void;
    /** Write what is left, and close. */
    close(): Promise<void>;
}
export {};
