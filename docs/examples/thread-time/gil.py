"""Four threads that compute: Python runs one of them at a time."""
import threading


def mix(seed, rounds):
    for _ in range(rounds):
        seed = (seed * 1664525 + 1013904223) & 0xFFFFFFFF
    return seed


def handle_requests():
    request = 0
    while True:
        mix(request, 3000)
        request += 1


for _ in range(4):
    threading.Thread(target=handle_requests).start()
