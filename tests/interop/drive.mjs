// SPDX-License-Identifier: Apache-2.0 OR MIT
// drive.mjs NAME=COMMAND... - our node against peers that we did not write, both ways. One line a check;
// last "N passed, N failed". The first command is ours.
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const TIMEOUT_MS = 60000
let [passed, failed] = (process.env.KWAAI_BEFORE ?? '0 0').split(' ').map(Number) // what ran before

class Peer {
  constructor (argument) {
    const [name, ...command] = argument.split('=')
    const [program, ...words] = command.join('=').split(' ')
    this.name = name
    this.process = spawn(program, words, { stdio: ['pipe', 'pipe', 'inherit'] })
    this.process.on('error', error => { this.broken = error })
    this.lines = createInterface({ input: this.process.stdout })[Symbol.asyncIterator]()
  }

  async read () {
    let timer
    const late = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error(`${this.name}: no answer in ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
    })
    const { value, done } = await Promise.race([this.lines.next(), late]).finally(() => clearTimeout(timer))
    if (done) throw new Error(`${this.name} ended`)
    return JSON.parse(value)
  }

  async start () {
    Object.assign(this, await this.read())
  }

  async ask (line) {
    this.process.stdin.write(line + '\n')
    const answer = await this.read()
    if (answer.error) throw new Error(answer.error)
    return answer
  }
}

async function check (what, work) {
  try {
    console.log(`ok    ${what}: ${await work() ?? ''}`)
    passed++
  } catch (error) {
    console.log(`FAIL  ${what}: ${error.message}`)
    failed++
  }
}

function expect (holds, what) {
  if (!holds) throw new Error(what)
}

// One asks the other over one address.
async function pair (from, to, address) {
  const way = `${from.name} -> ${to.name} ${Object.keys(kinds).find(kind => kinds[kind].test(address))}`
  await check(`ping ${way}`, async () => `${(await from.ask(`ping ${address}`)).us} us`)
  await check(`identify ${way}`, async () => {
    const said = await from.ask(`identify ${address}`)
    expect(said.peer === to.peer, `peer ${said.peer}`)
    expect(said.agent.length > 0, 'no agent')
    for (const id of ['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0']) expect(said.protocols.includes(id), `no ${id}`)
    return said.agent
  })
  if (/go/.test(from.name + to.name) && kinds.tcp.test(address)) { // AutoNAT v2
    await check(`reach ${way}`, async () => {
      const said = await from.ask(`reach ${address}`)
      expect(said.reach === 'Public' || (said.yes > 0 && said.no === 0), JSON.stringify(said))
      return 'it can be dialed'
    })
  }
  if (/rust/.test(from.name + to.name)) return // rust-libp2p has no perf
  const bytes = 16 << 20
  await check(`perf ${way}`, async () => {
    const { sent, received, us } = await from.ask(`perf ${address} ${bytes} ${bytes}`)
    expect(sent === bytes && received === bytes, `${sent} sent, ${received} received`)
    return `${(2 * bytes / 1.048576 / us).toFixed(0)} MiB/s`
  })
}

const kinds = { tcp: /\/tcp\/\d+\/p2p\//, ws: /\/ws\/p2p\//, webrtc: /\/webrtc-direct\/certhash\/[^/]+\/p2p\// }
const [own, ...others] = process.argv.slice(2)
const us = new Peer(own)
await us.start()
for (const other of others) {
  // A peer has one connection for both ways, so each way and each kind of address gets a fresh one.
  for (const [kind, pattern] of Object.entries(kinds)) {
    for (const out of [true, false]) {
      if (kind === 'webrtc' && !other.startsWith('js=')) continue // who else speaks it is js-libp2p
      const them = new Peer(other)
      await check(`start ${them.name}`, () => them.start())
      const address = (out ? them : us).addrs?.find(a => pattern.test(a))
      if (address) await (out ? pair(us, them, address) : pair(them, us, address))
      else console.log(`      ${them.name} has no address of kind ${kind}`)
      them.process.stdin.end()
    }
  }
}
us.process.stdin.end()
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
