/**
 * How far one has read a stream: 16 digits of offset, `_`, 8 characters of epoch and 16 hex
 * digits of link. To be kept and handed back as it is.
 */
export type Position = string;
export declare function checkPosition(position: Position): Position;
/** The number of the entry that a position stands behind; 0 is the start of the stream. */
export declare function offsetOf(position: Position): number;
