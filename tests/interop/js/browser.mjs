// SPDX-License-Identifier: Apache-2.0 OR MIT
// browser.mjs CHROMIUM CID SHA256 ADDR... - bundles page.mjs, serves it, opens it in a headless Chromium and tells what
// it did with each address: over WebRTC once by each version. One line a check; last "N passed, N failed".
import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'

const TIMEOUT_MS = 60000
const here = dirname(fileURLToPath(import.meta.url))
const [chromium, cid, sha256, ...addrs] = process.argv.slice(2)

const version2 = {
  name: 'version-2',
  setup (build) {
    build.onResolve({ filter: /\/sdp\.js$/ }, args => args.importer.includes('@libp2p/webrtc')
      ? { path: join(here, 'sdp-v2.mjs'), pluginData: join(args.resolveDir, args.path) }
      : undefined)
    let original
    build.onLoad({ filter: /sdp-v2\.mjs$/ }, args => { original = args.pluginData })
    build.onResolve({ filter: /^original-sdp$/ }, () => ({ path: original }))
  }
}
const bundle = async plugins => (await build({
  entryPoints: [join(here, 'page.mjs')], bundle: true, format: 'esm', platform: 'browser', target: 'es2022',
  conditions: ['browser'], write: false, plugins, logLevel: 'error', define: { 'process.env.NODE_ENV': '"production"' }
})).outputFiles[0].contents
const scripts = { '/1.js': await bundle([]), '/2.js': await bundle([version2]) }
if (!Buffer.from(scripts['/2.js']).includes('libp2p+webrtc+v2/')) throw new Error('version 2 is not in its bundle')

let tell
const server = createServer((request, response) => {
  const { pathname } = new URL(request.url, 'http://localhost')
  if (request.method === 'POST') {
    let body = ''
    request.on('data', piece => { body += piece })
    request.on('end', () => { response.end(); tell(JSON.parse(body)) })
  } else if (scripts[pathname]) {
    response.setHeader('content-type', 'text/javascript')
    response.end(scripts[pathname])
  } else {
    response.setHeader('content-type', 'text/html')
    response.end(`<!doctype html><title>kwaai</title><script type="module" src="${pathname}.js"></script>`)
  }
})
await new Promise(resolve => server.listen(0, '127.0.0.1', resolve))

// A browser with a profile of its own, for one page.
async function open (version, addresses) {
  const profile = await mkdtemp(join(tmpdir(), 'kwaai-chromium-'))
  const query = new URLSearchParams([['cid', cid], ['sha256', sha256], ...addresses.map(a => ['addr', a])])
  const browser = spawn(chromium, ['--headless=new', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', '--disable-dev-shm-usage', '--allow-loopback-in-peer-connection',
    `--user-data-dir=${profile}`, `http://127.0.0.1:${server.address().port}/${version}?${query}`], { stdio: 'ignore', detached: true })
  let timer
  try {
    return await Promise.race([
      new Promise(resolve => { tell = resolve }),
      new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`no answer of the page in ${TIMEOUT_MS} ms`)), TIMEOUT_MS)
        browser.on('error', reject)
      })
    ])
  } finally {
    clearTimeout(timer)
    const ended = new Promise(resolve => browser.on('exit', resolve))
    process.kill(-browser.pid, 'SIGKILL')
    await ended
    await rm(profile, { recursive: true, force: true, maxRetries: 5 })
  }
}

let passed = 0
let failed = 0
function say (name, result) {
  if (result.ok) passed++
  else failed++
  console.log(`${result.ok ? 'ok   ' : 'FAIL '} ${name}: ${result.ok ?? result.error}`)
}
const kind = addr => addr.includes('/webrtc-direct/') ? 'WebRTC-direct' : 'WebSocket'
for (const version of [1, 2]) {
  const chosen = addrs.filter(addr => version === 1 || kind(addr) === 'WebRTC-direct')
  if (chosen.length === 0) continue
  try {
    for (const result of await open(version, chosen)) {
      say(`Chromium, ${kind(result.addr)}${kind(result.addr) === 'WebRTC-direct' ? ` v${version}` : ''}`, result)
    }
  } catch (error) {
    say(`Chromium, version ${version}`, { error: error.message })
  }
}
console.log(`${passed} passed, ${failed} failed`)
process.exit(failed ? 1 : 0)
