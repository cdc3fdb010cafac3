export { type Client, type ClientEvents, type ConnectOptions, type State, type StateChange, connect } from "./client.js";
export { LongwireError, type Outcome } from "./errors.js";
export type { Position } from "./position.js";
export type { Ack } from "./producer.js";
export type { End, Gap, Handler, Message, Recovered, SubscribeOptions, Subscription } from "./subscription.js";
export type { WebSocketConstructor, WebSocketLike } from "./transport.js";
