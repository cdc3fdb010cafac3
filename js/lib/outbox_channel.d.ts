import { type Ack, LongwireError } from "./longwire.js";
/** What one tab hears from the others. */
export interface ChannelHost {
    /** Something was added to the database. */
    heardOfAddition(): void;
    /** The owner knows what became of a row. */
    heardOfOutcome(row: number, outcome: Ack | LongwireError): void;
    /** Another tab is the owner now. Of the rows up to `lastRow` it has found these. */
    heardOfOwner(found: readonly number[], lastRow: number): void;
}
/** What the tabs that share an outbox tell each other. */
export declare class OutboxChannel {
    #private;
    constructor(name: string, host: ChannelHost);
    tellAddition(): void;
    tellOutcome(row: number, outcome: Ack | LongwireError): void;
    tellOwner(found: readonly number[], lastRow: number): void;
    close(): void;
}
