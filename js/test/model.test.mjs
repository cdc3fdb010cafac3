// Whatever happens to it, the outcomes that the client reports are true and the streams hold each message
// at most once, in order: over a WebSocket and over plain HTTP.
import { afterEach, beforeEach, mock, test } from "node:test";
import "../lib/longwire-http.js"; // so that loading it takes no time
import { fakeFetch } from "./fake_fetch.mjs";
import { settle, socketClass } from "./fake_socket.mjs";
import { checkAll } from "./model_run.mjs";

function socketCarrier(server, random) {
  const Socket = socketClass();

  async function carry(isLossy) {
    const socket = Socket.last;
    if (!socket || socket.isDead) return;
    // Given up by the client: what it sent may still arrive, but no answer does.
    if (socket.closedWith) isLossy = true;
    if (socket.closedWith && !socket.protocol) return;
    if (!socket.protocol) socket.welcome({ limits: { producer_in_flight: 5 } });
    const messages = socket.take();
    const read = isLossy ? Math.floor(random() * (messages.length + 1)) : messages.length;
    const answers = messages.slice(0, read).map((message) => server.handle(message));
    answers.push(...server.deliveries());
    const written = isLossy ? Math.floor(random() * (answers.length + 1)) : answers.length;
    answers.slice(0, written).forEach((answer) => socket.says(answer));
    if (isLossy) {
      socket.isDead = true;
      server.subscriber = undefined;
      socket.breaks(1006);
    }
    await settle();
  }

  const interrupt = () => carry(true);
  return { options: { WebSocket: Socket, transports: ["websocket"] }, carry, interrupt, settle };
}

/** Makes carriers for one of the transports over plain HTTP. */
function httpCarrier(transport) {
  return (server, random) => {
    const net = fakeFetch();
    const isPolling = transport === "long-poll";
    /** Requests that were answered or lost; of a response that goes on, that it has begun. */
    const answered = new Set();
    const settle = async () => {
      for (let turn = 0; turn < 3; turn += 1) await new Promise(setImmediate);
    };

    /** Answer one request, perhaps not to its end. */
    function answer(request, isLossy) {
      const isNew = !answered.has(request);
      const isPosting = !request.isReading;
      answered.add(request);
      const operations = isNew ? request.operations.slice(1) : [];
      const read = isLossy ? Math.floor(random() * (operations.length + 1)) : operations.length;
      // A request that reads is the only subscriber; one that does not has nothing to do with it.
      if (!isPosting && isNew) server.subscriber = undefined;
      const answers = operations.slice(0, read).map((message) => server.handle(message));
      if (!isPosting) answers.push(...server.deliveries());
      const written = isLossy ? Math.floor(random() * (answers.length + 1)) : answers.length;
      if (!request.isAborted) {
        if (isNew) request.welcome({ limits: { producer_in_flight: 5 } });
        for (const message of answers.slice(0, written)) request.says(message);
        if (isLossy) request.breaks();
        else if (isPosting || isPolling) request.ends();
      }
      if (isLossy || request.isAborted) request.isDead = true;
    }

    async function carry(isLossy) {
      for (const request of [...net.requests]) {
        const isOver = request.isDead || (answered.has(request) && (isPolling || !request.isReading));
        // Given up by the client: what it asked for may still be done, but nobody hears of it.
        if (request.isAborted && answered.has(request)) request.isDead = true;
        if (!isOver && !request.isDead) answer(request, isLossy || (request.isAborted && random() < 0.5));
      }
      await settle();
    }

    /** Responses that go on end as they do after their longest life: the client asks anew. */
    async function interrupt() {
      for (const request of answered) {
        if (request.isDead || isPolling || !request.isReading) continue;
        request.isDead = true;
        request.ends();
      }
      await settle();
    }

    return { options: { fetch: net.fetch, transports: [transport] }, carry, interrupt, settle };
  };
}

beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_789_000_000_000 });
});

afterEach(() => mock.timers.reset());

test("every outcome is true over a WebSocket, each life of the stream in order, once", async () => {
  await checkAll(400, socketCarrier);
});

for (const transport of ["sse", "long-poll"]) {
  test(`every outcome is true over ${transport}, each life of the stream in order, once`, async () => {
    await checkAll(30, httpCarrier(transport));
  });
}
