// SPDX-License-Identifier: Apache-2.0 OR MIT
// peer.mjs - js-libp2p, told what to do a line at a time (../README.md).
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const PERF = '/perf/1.0.0'
const CHUNK = new Uint8Array(65536)

const node = await createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/tcp/0/ws', '/ip4/127.0.0.1/udp/0/webrtc-direct'] },
  transports: [tcp(), webSockets(), webRTCDirect()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false }, // loopback counts here
  services: { identify: identify(), identifyPush: identifyPush(), ping: ping() }
})

async function pour (stream, bytes) {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    if (!stream.send(CHUNK.subarray(0, Math.min(left, CHUNK.length)))) {
      await new Promise(resolve => stream.addEventListener('drain', resolve, { once: true }))
    }
  }
}

const bytesOf = piece => piece instanceof Uint8Array ? piece : piece.subarray()

await node.handle(PERF, async stream => {
  let header = Buffer.alloc(0)
  for await (const piece of stream) {
    if (header.length < 8) header = Buffer.concat([header, bytesOf(piece)]).subarray(0, 8)
  }
  await pour(stream, Number(header.readBigUInt64BE(0)))
  await stream.close()
})

const lines = {
  async ping (address) {
    return { us: 1000 * await node.services.ping.ping(address) }
  },
  async identify (address) {
    const { remotePeer } = await node.dial(address)
    for (let i = 0; i < 100; i++) {
      const { protocols, metadata } = await node.peerStore.get(remotePeer)
      if (protocols.length > 0) {
        const agent = new TextDecoder().decode(metadata.get('AgentVersion'))
        return { peer: remotePeer.toString(), agent, protocols }
      }
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    throw new Error('no identify within 5 s')
  },
  async perf (address, send, receive) {
    const stream = await node.dialProtocol(address, PERF)
    const begin = performance.now()
    const header = Buffer.alloc(8)
    header.writeBigUInt64BE(BigInt(receive))
    stream.send(header)
    await pour(stream, Number(send))
    await stream.close()
    let received = 0
    for await (const piece of stream) received += piece.byteLength
    return { sent: Number(send), received, us: Math.round(1000 * (performance.now() - begin)) }
  }
}

console.log(JSON.stringify({ peer: node.peerId.toString(), addrs: node.getMultiaddrs().map(String) }))
for await (const line of createInterface({ input: process.stdin })) {
  const [name, address, ...rest] = line.split(' ')
  let answer
  try {
    answer = await lines[name](multiaddr(address), ...rest)
  } catch (error) {
    answer = { error: String(error?.message ?? error) }
  }
  console.log(JSON.stringify(answer))
}
await node.stop()
process.exit(0)
