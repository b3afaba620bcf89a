// SPDX-License-Identifier: Apache-2.0 OR MIT
// kwaai.mjs - the JavaScript side of kwaai.wasm: what the module imports, and a small class over what
// it exports. Works in browsers, workers and Node 18 or later; nothing here reads files or the network.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Byte offset of every string index of a text, and the reverse. */
function offsets(text) {
  const toByte = new Uint32Array(text.length + 1);
  const toIndex = new Map();
  let byte = 0;
  for (let i = 0; i < text.length; ) {
    const point = text.codePointAt(i);
    const units = point > 0xffff ? 2 : 1;
    toIndex.set(byte, i);
    for (let u = 0; u < units; u++) toByte[i + u] = byte;
    byte += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    i += units;
  }
  toByte[text.length] = byte;
  toIndex.set(byte, text.length);
  return { toByte, toIndex };
}

/** The host functions of the text layer: regular expressions and normalisation. */
class TextHost {
  constructor(memory) {
    this.memory = memory;
    this.patterns = new Map();
    this.matchers = new Map();
    this.next = 1;
    this.composed = null;
  }
  read(at, len) {
    return decoder.decode(new Uint8Array(this.memory().buffer, at, len).slice());
  }
  imports() {
    return {
      pattern_compile: (at, len) => {
        try {
          this.patterns.set(this.next, new RegExp(this.read(at, len), 'dgmu'));
          return this.next++;
        } catch {
          return -1;
        }
      },
      pattern_free: (handle) => void this.patterns.delete(handle),
      matcher_begin: (handle, at, len) => {
        const text = this.read(at, len);
        this.matchers.set(this.next, { pattern: this.patterns.get(handle), text, ...offsets(text) });
        return this.next++;
      },
      matcher_find: (handle, from, out) => {
        const m = this.matchers.get(handle);
        m.pattern.lastIndex = m.toIndex.get(from) ?? m.text.length;
        const found = m.pattern.exec(m.text);
        if (!found) return 0;
        const view = new Uint32Array(this.memory().buffer, out, 2);
        view[0] = m.toByte[found.indices[0][0]];
        view[1] = m.toByte[found.indices[0][1]];
        return 1;
      },
      matcher_end: (handle) => void this.matchers.delete(handle),
      normalize_begin: (form, at, len) => {
        this.composed = encoder.encode(this.read(at, len).normalize(['NFC', 'NFD', 'NFKC', 'NFKD'][form]));
        return this.composed.length;
      },
      normalize_take: (out) => {
        if (out) new Uint8Array(this.memory().buffer).set(this.composed, out);
        this.composed = null;
      },
    };
  }
}

/** The few WASI calls that a C library without files makes; all answer "not available". */
function wasi() {
  const ENOSYS = 52;
  return new Proxy({}, { get: (_, name) => (name === 'proc_exit'
    ? (code) => { throw new Error(`kwaai.wasm ended with ${code}`); }
    : () => ENOSYS) });
}

export class Kwaai {
  /** @param {BufferSource | WebAssembly.Module} wasm the bytes of kwaai.wasm, or the compiled module */
  static async create(wasm) {
    const kwaai = new Kwaai();
    const text = new TextHost(() => kwaai.exports.memory);
    const module = wasm instanceof WebAssembly.Module ? wasm : await WebAssembly.compile(wasm);
    const instance = await WebAssembly.instantiate(module, {
      kwaai: {
        ...text.imports(),
        clock_ms: () => performance.now(),
        on_token: (token, at, len) => (kwaai.onToken(token, text.read(at, len)) === false ? 0 : 1),
      },
      wasi_snapshot_preview1: wasi(),
    });
    kwaai.exports = instance.exports;
    kwaai.exports._initialize?.();
    kwaai.handle = kwaai.exports.kw_wasm_create();
    return kwaai;
  }

  get version() {
    return this.string(this.exports.kw_wasm_version());
  }

  /** Copies a GGUF image into the module and loads it. @param {Uint8Array} image */
  load(image, { context = 0 } = {}) {
    const at = this.copy(image);
    const ok = this.exports.kw_wasm_load(this.handle, at, image.length, context);
    if (!ok) {
      this.exports.free(at);
      throw new Error(this.string(this.exports.kw_wasm_error(this.handle)));
    }
    if (this.image) this.exports.free(this.image);
    this.image = at;
  }

  /** Writes an answer. onToken(id, text) may return false to stop. Greedy at temperature 0. */
  run(prompt, { maxTokens = -1, temperature = 0.8, seed = 0, onToken } = {}) {
    const result = { ids: [], text: '' };
    this.onToken = (id, text) => {
      if (id >= 0) result.ids.push(id);
      result.text += text;
      return onToken?.(id, text);
    };
    const bytes = encoder.encode(prompt);
    const at = this.copy(bytes);
    const n = this.exports.kw_wasm_run(this.handle, at, bytes.length, maxTokens, temperature, seed);
    this.exports.free(at);
    if (n < 0) throw new Error(this.string(this.exports.kw_wasm_error(this.handle)));
    return result;
  }

  dispose() {
    this.exports.kw_wasm_destroy(this.handle);
    if (this.image) this.exports.free(this.image);
    this.handle = 0;
    this.image = 0;
  }

  copy(bytes) {
    const at = this.exports.malloc(Math.max(bytes.length, 1));
    if (!at) throw new Error(`no memory for ${bytes.length} bytes`);
    new Uint8Array(this.exports.memory.buffer).set(bytes, at);
    return at;
  }

  string(at) {
    const bytes = new Uint8Array(this.exports.memory.buffer);
    let end = at;
    while (bytes[end]) end++;
    return decoder.decode(bytes.slice(at, end));
  }
}
