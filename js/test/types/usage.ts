// What users write, checked against the types of the package; never run.
import {
  type Ack,
  type Client,
  LongwireError,
  type Position,
  type Subscription,
  connect,
} from "../../lib/longwire.js";
import { DiskOutbox } from "../../lib/disk_outbox.js";

interface Line {
  text: string;
}

const client: Client = connect("/ws", { token: async () => "token", WebSocket });
connect();
connect("/ws", { transports: ["sse", "long-poll"], credentials: "same-origin", fetch });
// @ts-expect-error: there is no such transport
connect("/ws", { transports: ["pigeon"] });
client.on("transport", ({ transport, previous }) => console.log(transport === "sse", previous));
console.log(client.transport === "websocket");
const outbox = new DiskOutbox("chat of ann");
connect("/ws", { outbox, outboxMessagesMax: 50 });
outbox.kept().then(() => console.log(outbox.size));
connect(new URL("wss://example.org/ws"), { token: "token", random: () => 0.5 });

const read: Subscription<Line> = client.subscribe<Line>("chat/room", ({ data, time, position }) => {
  const text: string = data.text;
  const when: Date = new Date(time);
  const where: Position = position;
  console.log(text, when, where);
});
const resumed = client.subscribe("chat/other", { position: read.position, start: { last: 50 } });
client.subscribe("chat/third", { start: "earliest" }, async () => undefined);
// @ts-expect-error: there is no such start
client.subscribe("chat/fourth", { start: "latest" });

export async function use(): Promise<Ack> {
  await read.ready;
  for await (const message of resumed) {
    const data: unknown = message.data;
    console.log(data);
    break;
  }
  read.unsubscribe();
  // @ts-expect-error: what the client alone may call is not offered
  read.disconnected();
  const off = client.on("state", ({ state, retryInMs }) => console.log(state, retryInMs ?? 0));
  off();
  client.on("gap", ({ reason, held, position }) => console.log(reason, held, position));
  client.on("recovered", ({ missed }) => console.log(missed + 1));
  // @ts-expect-error: there is no such event
  client.on("open", () => undefined);
  try {
    const page = await client.history<{ text: string }>("chat/room", { limit: 5 });
    console.log(page.messages[0]?.data.text, page.messages[0]?.key ?? "");
    const room: number = await client.call<number>("rooms.create", {}, { timeoutMs: 500 });
    await client.enter("chat/room", { room });
    client.watch("chat/room", ({ members }) => console.log(members[0]?.user));
    const rooms = client.subscribePattern<number>("chat/*", {}, ({ data }) => console.log(data + 1));
    client.subscribePattern("game/*", { positions: rooms.positions }, () => undefined);
    const worker = client.consume("orders", "billing", { window: 2 }, async ({ attempt }) => {
      console.log(attempt + 1);
    });
    console.log((await worker.ready).unread + 1);
    // @ts-expect-error: a durability that there is not
    await client.publish("chat/room", 1, { durability: "eternal" });
    return await client.publish("chat/room", { text: "hello" });
  } catch (error) {
    if (error instanceof LongwireError && error.outcome === "unknown") console.log(error.code);
    throw error;
  } finally {
    await client.flush();
    client.close("done");
  }
}
