// SPDX-License-Identifier: Apache-2.0 OR MIT
// builtin.mjs - the built-in model in WebAssembly under Node writes the same greedy token ids as the
// native command, and the ids that the reference recorded.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const source = process.env.KW_SOURCE_DIR ?? '.';
const { Kwaai } = await import(join(source, 'bindings/wasm/kwaai.mjs'));
const model = join(source, 'models/builtin/stories.gguf');
const prompt = 'Once upon a time';
const N = 48;

const kwaai = await Kwaai.create(readFileSync(process.env.KWAAI_WASM));
kwaai.load(readFileSync(model));
const greedy = kwaai.run(prompt, { maxTokens: N, temperature: 0 });
console.log(`wasm ${kwaai.version}: ${greedy.ids.length} tokens:${greedy.text}`);
assert.equal(greedy.ids.length, N);

// Twice the same, also when sampled.
assert.deepEqual(kwaai.run(prompt, { maxTokens: N, temperature: 0 }), greedy);
const sampled = kwaai.run(prompt, { maxTokens: N, temperature: 0.8, seed: 7 });
assert.deepEqual(kwaai.run(prompt, { maxTokens: N, temperature: 0.8, seed: 7 }), sampled);

// The callback stops an answer; a hostile image is an error, not a trap.
assert.equal(kwaai.run(prompt, { onToken: () => false }).ids.length, 1);
assert.throws(() => kwaai.load(new Uint8Array([71, 71, 85, 70, 3, 0, 0, 0, 255])), /./);

// The reference's ids, made by other code on the same weights.
const golden = JSON.parse(readFileSync(join(source, 'models/builtin/golden.json')));
kwaai.load(readFileSync(model));
const fromBos = kwaai.run('', { maxTokens: N, temperature: 0 }).ids;
const until = golden.margins.findIndex((m) => m < 0.05);
const certain = Math.min(N, until < 0 ? N : until);
assert.ok(certain > 0);
assert.deepEqual(fromBos.slice(0, certain), golden.greedy_ids.slice(0, certain));
console.log(`the first ${certain} ids from <s> are the reference's`);

// The native command, token by token.
const native = process.env.KWAAI;
if (native && existsSync(native)) {
  const run = (extra) => execFileSync(native, ['run', model, prompt, '-n', String(N), '--json', ...extra],
    { encoding: 'utf8' }).trim().split('\n').map((line) => JSON.parse(line))
    .filter((event) => event.event === 'token').map((event) => event.id);
  assert.deepEqual(greedy.ids, run(['--temp', '0']));
  assert.deepEqual(sampled.ids, run(['--temp', '0.8', '-s', '7']));
  console.log('native and WebAssembly agree, greedy and sampled');
} else {
  console.log(`SKIPPED: no native command to compare with (${native})`);
  process.exit(77);
}
