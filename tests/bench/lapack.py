"""Times numpy's thin SVD (LAPACK dgesdd) of f32 matrices, one file each, as the import bench asks for it.

    python3 tests/bench/lapack.py <processes> <file> <rows> <columns> [<file> <rows> <columns> …]

Prints the seconds of the decompositions alone, reading and starting excluded. Threads inside a product: OMP_NUM_THREADS.
"""
import multiprocessing
import sys
import time

import numpy as np


def decompose(task):
    path, rows, columns = task
    matrix = np.fromfile(path, dtype=np.float32).reshape(rows, columns).astype(np.float64)
    started = time.perf_counter()
    np.linalg.svd(matrix, full_matrices=False)
    return time.perf_counter() - started


def main():
    processes, rest = int(sys.argv[1]), sys.argv[2:]
    tasks = [(rest[i], int(rest[i + 1]), int(rest[i + 2])) for i in range(0, len(rest), 3)]
    with multiprocessing.Pool(processes) as pool:
        pool.map(decompose, tasks[:processes], chunksize=1)
        started = time.perf_counter()
        pool.map(decompose, tasks, chunksize=1)
        print(time.perf_counter() - started)


if __name__ == "__main__":
    main()
