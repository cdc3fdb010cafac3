// uWebSockets.js: what comes is echoed, or published to all connections.
const uws = require("uwebsockets");

const mode = process.argv[2];
const application = uws.App();
application.ws("/*", {
  compression: uws.DISABLED,
  maxPayloadLength: 1024 * 1024,
  maxBackpressure: 64 * 1024 * 1024,
  open: (socket) => socket.subscribe("all"),
  message: (socket, data, isBinary) => {
    if (mode === "fanout") application.publish("all", data, isBinary);
    else socket.send(data, isBinary);
  },
});
application.listen("127.0.0.1", 0, (listening) => console.log(uws.us_socket_local_port(listening)));
