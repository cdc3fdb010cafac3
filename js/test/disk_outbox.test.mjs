// What can be said of the outbox on disk where there is none: tests/integration/browser has the rest.
import assert from "node:assert/strict";
import { test } from "node:test";
import { LongwireError } from "../lib/longwire.js";
import { DiskOutbox } from "../lib/longwire-outbox.js";

test("an outbox on disk says what is missing, as an error of the client's own class", () => {
  assert.throws(() => new DiskOutbox("orders"), (error) => {
    assert.ok(error instanceof LongwireError);
    assert.equal(error.code, "outbox_unusable");
    assert.match(error.message, /needs IndexedDB \(Node\.js has none\)/);
    return true;
  });
});
