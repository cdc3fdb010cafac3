// An HTTP proxy in front of the server that can refuse WebSockets, hold responses back, and cut.
import http from "node:http";
import net from "node:net";

const HOST = "127.0.0.1";
const REFUSAL = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/** Starts with nothing in the way: set `allowsUpgrade` and `holdsBack` to put something there. */
export async function makeProxy(port) {
  const connections = new Set();
  const keep = (socket) => {
    connections.add(socket);
    socket.on("close", () => connections.delete(socket));
    socket.on("error", () => undefined);
  };
  const proxy = {
    allowsUpgrade: true,
    /** Whether a response is passed on only when it is complete, as by a proxy that looks for viruses. */
    holdsBack: false,
    /** Upgrades that were asked for. */
    upgrades: 0,
    /** Cut every connection, at whatever byte. */
    cut() {
      for (const socket of connections) Math.random() < 0.5 ? socket.resetAndDestroy() : socket.destroy();
    },
  };

  const server = http.createServer((request, response) => {
    const { method, url, headers } = request;
    const upstream = http.request({ host: HOST, port, method, path: url, headers }, (answer) => {
      const begin = () => response.writeHead(answer.statusCode, answer.headers);
      answer.on("error", () => response.destroy());
      if (!proxy.holdsBack) {
        begin();
        response.flushHeaders();
        return void answer.pipe(response);
      }
      const held = [];
      answer.on("data", (data) => void held.push(data));
      answer.on("end", () => begin().end(Buffer.concat(held)));
    });
    upstream.on("error", () => response.destroy());
    response.on("close", () => upstream.destroy());
    request.pipe(upstream);
  });
  server.on("connection", keep);
  server.on("upgrade", (request, socket, head) => {
    proxy.upgrades += 1;
    if (!proxy.allowsUpgrade) return void socket.end(REFUSAL);
    const upstream = net.connect(port, HOST, () => {
      const fields = [];
      for (let at = 0; at < request.rawHeaders.length; at += 2) {
        fields.push(`${request.rawHeaders[at]}: ${request.rawHeaders[at + 1]}\r\n`);
      }
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields.join("")}\r\n`);
      upstream.write(head);
      upstream.pipe(socket).pipe(upstream);
    });
    keep(upstream);
    upstream.on("close", () => socket.destroy());
    socket.on("close", () => upstream.destroy());
  });
  await new Promise((resolve) => server.listen(0, HOST, resolve));
  proxy.port = server.address().port;
  return proxy;
}
