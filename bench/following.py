"""A bare client: `python following.py URLS DIRECTORY LIMIT` saves what each URL leads to, so many at once."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import aiohttp


async def main(urls: list[str], target: Path, limit: int) -> None:
    waiting = iter(enumerate(urls))
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def load() -> None:
            for number, url in waiting:
                async with session.get(url) as answer:
                    answer.raise_for_status()
                    with open(target / f"{number}.jpg", "wb") as stream:
                        async for chunk in answer.content.iter_any():
                            stream.write(chunk)

        await asyncio.gather(*(load() for _ in range(limit)))


asyncio.run(main(Path(sys.argv[1]).read_text().split(), Path(sys.argv[2]), int(sys.argv[3])))
