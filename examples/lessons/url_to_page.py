"""From URL to page: what happens behind one address

A browser is given https://shop.example/. Before anything can be shown, four parties have spoken,
one after the other, and each step costs a round trip: the name server, ours is 10 ms away, is
asked for the address (UDP); the server, 40 ms away, is connected to (TCP); the two agree on keys
and the server shows its certificate (TLS 1.3, one round trip); then the page is asked for, and it
names what else it needs: a style sheet and a script, asked for on the same connection, which is
warm by now. The curve "step" shows when each of them was done.

Most of the time nothing is sent at all. That is why a page becomes faster by fewer round trips,
and hardly by more bandwidth: answers of name servers are kept, connections are kept open, TLS
takes one round trip instead of the two of TLS 1.2, HTTP/2 asks for everything at once, and
HTTP/3 makes the transport's and TLS's handshake in one.

In the capture TLS is readable by its lengths alone, as on a real network.
"""

import asyncio

import dns.message
import dns.rrset
from certificate import server_and_client_contexts

from longwire.simulation import Panel

PANELS = (Panel.MEASURES, Panel.SEQUENCE)
PAGES = {
    "/": b"<link rel=stylesheet href=/style.css><script src=/script.js></script>",
    "/style.css": bytes(2000),
    "/script.js": bytes(20_000),
}


class NameServer(asyncio.DatagramProtocol):
    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        name = query.question[0].name
        answer.answer.append(dns.rrset.from_text(name, 300, "IN", "A", "10.0.2.2"))
        self.transport.sendto(answer.to_wire(), address)


class Resolver(asyncio.DatagramProtocol):
    def __init__(self, name):
        self.query = dns.message.make_query(name, "A", id=1)
        self.answer = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        transport.sendto(self.query.to_wire())

    def datagram_received(self, data, address):
        self.answer.set_result(dns.message.from_wire(data).answer[0][0].address)


async def serve_pages(reader, writer):
    while request := await reader.readline():
        await reader.readuntil(b"\r\n")
        page = PAGES[request.split()[1].decode()]
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(page), page))
    writer.close()


async def get(reader, writer, path):
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    head = await reader.readuntil(b"\r\n\r\n")
    return await reader.readexactly(int(head.split(b"Content-Length: ")[1]))


async def main(world):
    browser, names, shop = world.host("browser"), world.host("names"), world.host("shop")
    world.link(browser, names, delay=0.005)
    world.link(browser, shop, delay=0.02, rate=20_000_000)
    serving, asking = server_and_client_contexts("shop.example")
    loop = asyncio.get_running_loop()
    steps = iter(range(1, 10))

    def done(step):
        world.note("browser program", step)
        world.measure("step", next(steps))

    with names:
        await loop.create_datagram_endpoint(NameServer, local_addr=("0.0.0.0", 53))
    with shop:
        await asyncio.start_server(serve_pages, "0.0.0.0", 443, ssl=serving)
    with browser:
        _, resolver = await loop.create_datagram_endpoint(
            lambda: Resolver("shop.example"), remote_addr=("names", 53)
        )
        address = await resolver.answer
        done(f"name server: shop.example is {address}")
        reader, writer = await asyncio.open_connection(address, 443)
        done("TCP: connected")
        await writer.start_tls(asking, server_hostname="shop.example")
        done(f"TLS: {writer.get_extra_info('ssl_object').version()}, the certificate is right")
        for path in PAGES:
            done(f"HTTP: {path} is here, {len(await get(reader, writer, path))} octets")
        writer.close()
        await asyncio.sleep(1)
