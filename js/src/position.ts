import { LongwireError } from "./errors.js";

/**
 * How far one has read a stream: 16 digits of offset, `_`, 8 characters of epoch and 16 hex
 * digits of link. To be kept and handed back as it is.
 */
export type Position = string;

const POSITION = /^\d{16}_[0-9a-z]{8}[0-9a-f]{16}$/;

export function checkPosition(position: Position): Position {
  if (POSITION.test(position)) return position;
  throw new LongwireError(
    "bad_position",
    `${JSON.stringify(position)} is not the position of a message: 16 digits, "_", 8 characters, 16 hex digits`,
  );
}

/** The number of the entry that a position stands behind; 0 is the start of the stream. */
export function offsetOf(position: Position): number {
  return Number(position.slice(0, 16));
}
