"""asyncio: when descriptors run short it does not accept for a second, and then goes on."""
import asyncio
import sys


def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


async def serve(reader, writer):
    try:
        line = await reader.readline()
        writer.write(b"%d\n" % fib(min(int(line), 25)))
        await writer.drain()
    except (ConnectionError, ValueError):
        pass
    finally:
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", int(sys.argv[1]))
    async with server:
        await server.serve_forever()


asyncio.run(main())
