"""A bare aiohttp loop: `python bare.py URLS DIRECTORY LIMIT` downloads each URL to a file, so many at once a host."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp


async def main(urls: list[str], target: Path, limit: int) -> None:
    turns = {host: asyncio.Semaphore(limit) for host in {urlsplit(url).netloc for url in urls}}
    connector = aiohttp.TCPConnector(limit=0, limit_per_host=limit)
    async with aiohttp.ClientSession(connector=connector) as session:

        async def load(url: str) -> None:
            async with turns[urlsplit(url).netloc], session.get(url) as answer:
                with open(target / url.rpartition("/")[2], "wb") as stream:
                    async for chunk in answer.content.iter_any():
                        stream.write(chunk)

        await asyncio.gather(*map(load, urls))


asyncio.run(main(Path(sys.argv[1]).read_text().split(), Path(sys.argv[2]), int(sys.argv[3])))
