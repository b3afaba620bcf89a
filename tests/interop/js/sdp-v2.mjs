// SPDX-License-Identifier: Apache-2.0 OR MIT
// sdp-v2.mjs - takes the place of js-libp2p's sdp.js when the page is bundled for version 2 of webrtc-direct: the offer
// stays as the browser made it, and our side's credentials carry the password that is in it.
export * from 'original-sdp'
import * as original from 'original-sdp'

let password
export function munge (offer) {
  password = /^a=ice-pwd:(.+)$/m.exec(offer.sdp)[1].trim()
  return offer
}
export function serverAnswerFromMultiaddr (addr) {
  return original.serverAnswerFromMultiaddr(addr, `libp2p+webrtc+v2/${password}`)
}
