// SPDX-License-Identifier: Apache-2.0 OR MIT
// relay.mjs relay | ping ADDR | behind RELAY - js-libp2p as a relay (prints its address), reaching ADDR through one
// (prints the round trip), or reached through one (prints its address there). For relay.sh.
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2' // comes with @helia/libp2p
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const [what, address] = process.argv.slice(2)
const listen = ['/ip4/127.0.0.1/tcp/0']
if (what === 'behind') listen.push(`${address}/p2p-circuit`)
const node = await createLibp2p({
  addresses: { listen },
  transports: [tcp(), circuitRelayTransport()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false }, // loopback
  services: {
    identify: identify({ runOnLimitedConnection: true }),
    ping: ping({ runOnLimitedConnection: true }),
    ...(what === 'relay' ? { relay: circuitRelayServer() } : {})
  }
})
const addresses = () => node.getMultiaddrs().map(String)
if (what === 'relay') {
  console.log(addresses()[0])
} else if (what === 'ping') {
  console.log(`rtt ${await node.services.ping.ping(multiaddr(address))}`)
  process.exit(0)
} else {
  const relayed = () => addresses().find(a => a.includes('p2p-circuit'))
  for (let i = 0; i < 100 && !relayed(); i++) await new Promise(resolve => setTimeout(resolve, 100))
  console.log(relayed())
}
