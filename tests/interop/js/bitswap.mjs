// SPDX-License-Identifier: Apache-2.0 OR MIT
// bitswap.mjs ADDR CID MIB - a helia node that fetches a file of that CID from ADDR, says how many bytes it had
// and how soon ("got N in N ms"), then serves one of MIB pseudo-random MiB ("serves ADDR CID") until its input ends.
import { createHeliaLight } from 'helia'
import { withLibp2pLight } from '@helia/libp2p'
import { withBitswap } from '@helia/bitswap'
import { unixfs } from '@helia/unixfs'
import { fixedSize } from 'ipfs-unixfs-importer/chunker'
import { balanced } from 'ipfs-unixfs-importer/layout'
import { tcp } from '@libp2p/tcp'
import { webRTCDirect } from '@libp2p/webrtc'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify } from '@libp2p/identify'
import { MemoryBlockstore } from 'blockstore-core'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import { randomBytes } from 'node:crypto'

const [addr, root, mib] = process.argv.slice(-3)
let helia = createHeliaLight({ blockstore: new MemoryBlockstore() })
helia = withBitswap(withLibp2pLight(helia, {
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp(), webRTCDirect()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionGater: { denyDialMultiaddr: () => false }, // loopback is dialed
  services: { identify: identify() }
}))
helia = await helia.start() ?? helia
await helia.libp2p.dial(multiaddr(addr))
await new Promise(resolve => setTimeout(resolve, 500)) // identify
const fs = unixfs(helia)
let got = 0
const begin = performance.now()
for await (const piece of fs.cat(CID.parse(root), { signal: AbortSignal.timeout(60000) })) got += piece.length
console.log(`got ${got} in ${Math.round(performance.now() - begin)} ms`)
const cid = await fs.addBytes(randomBytes(Number(mib) << 20), { rawLeaves: true, cidVersion: 1,
  chunker: fixedSize({ chunkSize: 1048576 }), layout: balanced({ maxChildrenPerNode: 1024 }), reduceSingleLeafToSelf: true })
console.log(`serves ${helia.libp2p.getMultiaddrs()[0]} ${cid}`)
for await (const _ of process.stdin);
await helia.stop()
process.exit(0)
