// SPDX-License-Identifier: Apache-2.0 OR MIT
// page.mjs - in a browser: for each address of the query, a helia node of its own dials it, fetches a file by bitswap
// (which verifies each block) and compares its SHA-256. What happened goes back to who served the page.
import { createHeliaLight } from 'helia'
import { withLibp2pLight } from '@helia/libp2p'
import { withBitswap } from '@helia/bitswap'
import { unixfs } from '@helia/unixfs'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { webRTCDirect } from '@libp2p/webrtc'
import { webSockets } from '@libp2p/websockets'
import { MemoryBlockstore } from 'blockstore-core'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'

const query = new URLSearchParams(location.search)
const hex = bytes => [...bytes].map(b => b.toString(16).padStart(2, '0')).join('')

async function fetchOver (addr) {
  let helia = createHeliaLight({ blockstore: new MemoryBlockstore() })
  helia = withBitswap(withLibp2pLight(helia, {
    transports: [webSockets(), webRTCDirect()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionGater: { denyDialMultiaddr: () => false }, // loopback is dialed
    services: { identify: identify(), ping: ping() }
  }))
  helia = await helia.start() ?? helia
  const connection = await helia.libp2p.dial(multiaddr(addr), { signal: AbortSignal.timeout(15000) })
  const rtt = await helia.libp2p.services.ping.ping(connection.remotePeer)
  await new Promise(resolve => setTimeout(resolve, 300)) // identify
  const begin = performance.now()
  const pieces = []
  for await (const piece of unixfs(helia).cat(CID.parse(query.get('cid')), { signal: AbortSignal.timeout(30000) })) pieces.push(piece)
  const ms = performance.now() - begin
  const bytes = new Uint8Array(await new Blob(pieces).arrayBuffer())
  const hash = hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)))
  if (hash !== query.get('sha256')) throw new Error(`${bytes.length} bytes of SHA-256 ${hash}`)
  const peers = helia.libp2p.getConnections()
  if (peers.length !== 1 || !addr.startsWith(peers[0].remoteAddr.toString().split('/p2p/')[0])) throw new Error(`over ${peers.map(c => c.remoteAddr)}`)
  helia.stop()
  return `ping ${rtt} ms, ${bytes.length} bytes in ${Math.round(ms)} ms`
}

const results = []
for (const addr of query.getAll('addr')) {
  try {
    results.push({ addr, ok: await fetchOver(addr) })
  } catch (error) {
    results.push({ addr, error: String(error.stack ?? error) })
  }
}
await fetch('/result', { method: 'POST', body: JSON.stringify(results) })
