import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AnswerText } from '#services/inference/answer-text.js';

/** A decoder whose token ids are bytes. */
function byteDecoder() {
  const utf8 = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id: number) => utf8.decode(Uint8Array.of(id), { stream: true }),
    end: () => utf8.decode(),
  };
}

/** Feeds a text byte by byte. */
function feed(
  text: string | Uint8Array,
  stops: readonly string[],
): { pieces: string[]; text: string; stop: string | undefined } {
  const answer = new AnswerText(byteDecoder(), stops);
  const pieces: string[] = [];
  for (const byte of typeof text === 'string' ? Buffer.from(text) : text) {
    const step = answer.push(byte);
    pieces.push(step.text);
    if (step.stop !== undefined) return { pieces, text: pieces.join(''), stop: step.stop };
  }
  const last = answer.end();
  pieces.push(last.text);
  return { pieces, text: pieces.join(''), stop: last.stop };
}

test('without stop strings text comes at once and characters stay whole', () => {
  const { pieces, text } = feed('a€😀', []);
  assert.equal(text, 'a€😀');
  assert.deepEqual(pieces, ['a', '', '', '€', '', '', '', '😀', '']);
});

test('a stop string ends the answer before it, across tokens', () => {
  assert.deepEqual(feed('one STOP two', ['STOP']), {
    pieces: ['o', 'n', 'e', ' ', '', '', '', ''],
    text: 'one ',
    stop: 'STOP',
  });
});

test('only what may begin a stop string is held back, and released when it does not', () => {
  const { pieces, text, stop } = feed('abacus', ['abc']);
  assert.deepEqual(pieces, ['', '', 'ab', 'ac', 'u', 's', '']);
  assert.equal(text, 'abacus');
  assert.equal(stop, undefined);
});

test('what is held at the end is told', () => {
  assert.equal(feed('so\n', ['\n\n']).text, 'so\n');
});

test('the stop string that is complete first wins; of several at one character the longest', () => {
  assert.deepEqual([feed('xabc', ['abc', 'b']).text, feed('xabc', ['abc', 'b']).stop], ['xa', 'b']);
  assert.deepEqual([feed('xab', ['b', 'ab']).text, feed('xab', ['b', 'ab']).stop], ['x', 'ab']);
});

test('overlapping beginnings are found', () => {
  assert.deepEqual([feed('aaab', ['aab']).text, feed('aaab', ['aab']).stop], ['a', 'aab']);
  assert.equal(feed('ababac', ['abac']).text, 'ab');
});

test('stop strings of several bytes a character', () => {
  assert.deepEqual([feed('a😀b', ['😀']).text, feed('a😀b', ['😀']).stop], ['a', '😀']);
  assert.equal(feed('a😁b', ['😀']).text, 'a😁b');
});

test('a character that stays incomplete becomes U+FFFD at the end', () => {
  assert.equal(feed(Uint8Array.of(0x61, 0xe2, 0x82), []).text, 'a\ufffd');
});

test('the text is the same wherever pieces end', () => {
  const words = ['ab', 'aab', 'ba', 'b', 'abba', ''];
  const stops = ['abab', 'bbb', 'aabba'];
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let round = 0; round < 500; round++) {
    const pieces = Array.from({ length: 12 }, () => words[random(words.length)]!);
    const byPiece = new AnswerText({ push: (id) => pieces[id]!, end: () => '' }, stops);
    let text = '';
    let stop: string | undefined;
    for (let i = 0; i < pieces.length && stop === undefined; i++) {
      const step = byPiece.push(i);
      text += step.text;
      stop = step.stop;
    }
    if (stop === undefined) text += byPiece.end().text;
    const byCharacter = feed(pieces.join(''), stops);
    assert.deepEqual([text, stop], [byCharacter.text, byCharacter.stop], pieces.join('|'));
  }
});
