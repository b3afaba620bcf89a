// SPDX-License-Identifier: Apache-2.0 OR MIT
// kad.mjs - a peer of js-libp2p that is told what to do a line at a time (see ../README.md):
//   ping ADDR, provide CID, find CID, put KEY VALUE, get KEY, discovered
// Environment: KAD_PROTOCOL (/kwaai/kad/1.0.0), MDNS_PORT (none: no mDNS).
import { createInterface } from 'node:readline'
import { createLibp2p } from 'libp2p'
import { tcp } from '@libp2p/tcp'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { mdns } from '@libp2p/mdns'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'

const port = Number(process.env.MDNS_PORT ?? 0)
const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  peerDiscovery: port > 0 ? [mdns({ interval: 1000, port })] : [],
  connectionGater: { denyDialMultiaddr: () => false }, // loopback is dialed
  services: {
    identify: identify(),
    identifyPush: identifyPush(),
    ping: ping(),
    dht: kadDHT({
      protocol: process.env.KAD_PROTOCOL ?? '/kwaai/kad/1.0.0',
      clientMode: false,
      peerInfoMapper: passthroughMapper, // private addresses are kept
      allowQueryWithZeroPeers: true,
      validators: { kwaai: async () => {} },
      selectors: { kwaai: () => 0 }
    })
  }
})
const discovered = new Set()
node.addEventListener('peer:discovery', event => discovered.add(event.detail.id.toString()))

const bytes = text => new TextEncoder().encode(text)
const commands = {
  async ping (addr) {
    return { us: 1000 * await node.services.ping.ping(multiaddr(addr)) }
  },
  async discovered () { return { peers: [...discovered] } },
  async provide (cid) {
    let stored = 0
    for await (const event of node.services.dht.provide(CID.parse(cid))) {
      stored += event.name === 'PEER_RESPONSE' && event.messageName === 'ADD_PROVIDER' ? 1 : 0
    }
    return { stored }
  },
  async find (cid) {
    const providers = new Set()
    for await (const event of node.services.dht.findProviders(CID.parse(cid))) {
      if (event.name === 'PROVIDER') event.providers.forEach(p => providers.add(p.id.toString()))
    }
    return { providers: [...providers] }
  },
  async put (key, value) {
    for await (const event of node.services.dht.put(bytes(key), bytes(value))) void event
    return {}
  },
  async get (key) {
    for await (const event of node.services.dht.get(bytes(key))) {
      if (event.name === 'VALUE') return { value: new TextDecoder().decode(event.value) }
    }
    return { error: 'no value' }
  }
}

console.log(JSON.stringify({ peer: node.peerId.toString(), addrs: node.getMultiaddrs().map(String) }))
for await (const line of createInterface({ input: process.stdin })) {
  const [name, ...words] = line.trim().split(' ')
  try {
    console.log(JSON.stringify(await commands[name](...words)))
  } catch (err) {
    console.log(JSON.stringify({ error: String(err.message ?? err) }))
  }
}
process.exit(0)
