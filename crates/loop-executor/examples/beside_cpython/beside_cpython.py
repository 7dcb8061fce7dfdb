"""The jobs of main.rs in CPython's ProcessPoolExecutor: prints how many large and small ones there are in a second."""

import sys
import time
from collections import deque
from concurrent.futures import ProcessPoolExecutor


def echo(data):
    return data


def next_number(number):
    return number + 1


def rate(pool, in_flight, jobs, function, argument, check):
    start = time.perf_counter()
    futures = deque()
    for submitted in range(jobs + in_flight):
        if submitted >= in_flight:
            assert check(futures.popleft().result())
        if submitted < jobs:
            futures.append(pool.submit(function, argument))
    return jobs / (time.perf_counter() - start)


def main():
    large, small = map(int, sys.argv[1:3])
    data = bytes([7]) * (8 << 20)
    with ProcessPoolExecutor(2) as pool:
        for future in [pool.submit(next_number, 0) for _ in range(4)]:
            assert future.result() == 1
        print(rate(pool, min(8, large), large, echo, data, lambda back: len(back) == 8 << 20))
        print(rate(pool, min(100, small), small, next_number, 1, lambda back: back == 2))


if __name__ == "__main__":
    main()
