import assert from 'node:assert/strict';
import { test } from 'node:test';
import { barPlot } from '#shared/plots/bar-plot.js';
import { confusionMatrix } from '#shared/plots/confusion.js';
import { heatmap } from '#shared/plots/heatmap.js';
import { linePlot } from '#shared/plots/line-plot.js';
import { scatterPlot } from '#shared/plots/scatter-plot.js';
import { type Picture, stack } from '#shared/plots/svg.js';
import { renderSvg } from '#shared/plots/theme.js';
import { readMarkup, type Tag } from './markup.js';

const NASTY = 'a<b> & "c" \u0007\ud800';

const LINES = linePlot({
  title: NASTY,
  x: { label: 'step', low: 0, high: 10 },
  y: { label: 'reward', low: -1, high: 1 },
  series: [
    {
      name: NASTY,
      points: [
        { x: 0, y: -1 },
        { x: 5, y: 0 },
        { x: 10, y: 1 },
      ],
      band: [
        { x: 0, low: -1, high: 0 },
        { x: 10, low: 0, high: 1 },
      ],
      dots: true,
    },
    {
      name: 'broken',
      points: [
        { x: 0, y: 0 },
        { x: 2, y: Number.NaN },
        { x: 4, y: 0 },
        { x: 6, y: 0 },
      ],
      dashed: true,
    },
  ],
  marks: [5],
});
const SCATTER = scatterPlot({
  title: 'gain',
  x: { label: 'parameters', low: 0, high: 100 },
  y: { label: 'gain', low: 0, high: 1 },
  series: [
    {
      name: 'svf',
      points: [
        { x: 50, y: 0.5, label: 'mlp' },
        { x: Number.NaN, y: 1 },
      ],
    },
  ],
});
const BARS = barPlot({
  title: 'accuracy',
  y: { label: 'accuracy' },
  groups: ['one', 'two'],
  series: [
    { name: 'base', bars: [{ value: 0.5, low: 0.4, high: 0.6 }, { value: 0.25 }] },
    { name: 'expert', bars: [{ value: 1 }, { value: Number.NaN }] },
  ],
});
const HEAT = heatmap({
  title: 'harm',
  rowLabel: 'expert',
  columnLabel: 'task',
  rows: ['math', 'code'],
  columns: ['arithmetic', 'a-task-with-a-long-name'],
  values: [
    [0.5, -0.5],
    [0, Number.NaN],
  ],
  colours: 'diverging',
});
const PICTURES: Readonly<Record<string, Picture>> = {
  lines: LINES,
  scatter: SCATTER,
  bars: BARS,
  heat: HEAT,
  stacked: stack('all', [LINES, BARS]),
  nothing: linePlot({ title: 'nothing yet', x: { label: 'step' }, y: { label: 'reward' }, series: [] }),
};

const read = (picture: Picture) => readMarkup(renderSvg(picture));
const named = (tags: readonly Tag[], name: string, className?: string): Tag[] =>
  tags.filter(
    (tag) =>
      tag.name === name && (className === undefined || tag.attributes.class?.split(' ').includes(className)),
  );

for (const [name, picture] of Object.entries(PICTURES))
  test(`the picture of ${name} is sound markup inside its size, with a title and colours for dark pages`, () => {
    const { tags, texts } = read(picture);
    const [svg] = tags;
    assert.equal(svg!.name, 'svg');
    assert.equal(svg!.attributes.viewBox, `0 0 ${picture.width} ${picture.height}`);
    assert.equal(tags[1]!.name, 'title');
    assert.match(texts.join(''), /@media \(prefers-color-scheme:dark\)/);
    for (const { attributes } of tags)
      for (const key of ['x', 'x1', 'x2', 'cx'])
        if (attributes[key] !== undefined) {
          const value = Number(attributes[key]);
          assert(value >= 0 && value <= picture.width, `${key}=${attributes[key]}`);
        }
    assert.doesNotMatch(renderSvg(picture), /NaN|Infinity|undefined/);
  });

test('names with markup and characters that XML forbids are written safely', () => {
  const { texts } = read(LINES);
  assert.equal(texts.filter((text) => text === 'a&lt;b&gt; &amp; &quot;c&quot; ��').length, 3);
});

test('a value lies where its axis says', () => {
  const [first, middle, last] = named(read(LINES).tags, 'circle', 'fill0').map(({ attributes }) => [
    Number(attributes.cx),
    Number(attributes.cy),
  ]);
  assert(Math.abs(middle![0]! - (first![0]! + last![0]!) / 2) < 0.02);
  assert(Math.abs(middle![1]! - (first![1]! + last![1]!) / 2) < 0.02);
  assert(last![1]! < first![1]!, 'larger values are higher');
  const [mark] = named(read(LINES).tags, 'line', 'axis').filter(
    ({ attributes }) => attributes['stroke-dasharray'],
  );
  assert(Math.abs(Number(mark!.attributes.x1) - middle![0]!) < 0.02);
});

test('a value that is not finite breaks the line and leaves a lone point as a dot', () => {
  const { tags } = read(LINES);
  assert.equal(named(tags, 'path', 'stroke1').length, 1);
  assert.equal(named(tags, 'circle', 'fill1').length, 1);
  assert.equal(named(read(SCATTER).tags, 'circle').length, 1);
});

test('bars stand on zero, are as high as their values and have whiskers where they have intervals', () => {
  const { tags } = read(BARS);
  const [half, quarter] = named(tags, 'rect', 'fill0').map(({ attributes }) => Number(attributes.height));
  const [whole] = named(tags, 'rect', 'fill1').map(({ attributes }) => Number(attributes.height));
  assert(Math.abs(half! - 2 * quarter!) < 0.05 && Math.abs(whole! - 2 * half!) < 0.05);
  assert.equal(named(tags, 'rect', 'fill1').length, 1);
  assert.equal(named(tags, 'line', 'whisker').length, 3);
});

test('a heatmap says each value and colours it by sign, white at zero, ink by brightness', () => {
  const { tags, texts } = read(HEAT);
  const fills = named(tags, 'rect').flatMap(({ attributes }) => attributes.fill ?? []);
  assert.deepEqual(fills, ['rgb(178,24,43)', 'rgb(33,102,172)', 'rgb(247,247,247)']);
  for (const label of ['0.50', '−0.50', '0.00']) assert.ok(texts.includes(label), label);
  assert.equal(named(tags, 'text', 'pale').length, 2);
  assert.equal(named(tags, 'text', 'dark').length, 1);
});

test('a line alone has no legend, several have one entry each', () => {
  const lone = linePlot({
    title: 't',
    x: { label: 'x' },
    y: { label: 'y' },
    series: [{ name: 'alone', points: [{ x: 0, y: 1 }] }],
  });
  assert.ok(!read(lone).texts.includes('alone'));
  assert.ok(read(LINES).texts.includes('broken'));
});

test('a confusion matrix has every label that is or was given, `other` last, with counts and row shares', () => {
  const picture = confusionMatrix({
    title: 'by prompt',
    counts: { other: { other: 1 }, math: { math: 2, reasoning: 2 }, code: { math: 4 } },
  });
  const { tags, texts } = read(picture);
  const labels = [
    'by prompt: 3 of 9 right',
    'code (4)',
    'math (4)',
    'other (1)',
    'code',
    'math',
    'reasoning',
    'other',
  ];
  assert.deepEqual(texts.slice(2, 10), labels);
  assert.deepEqual(texts.slice(10, 22), ['0', '4', '0', '0', '0', '2', '2', '0', '0', '0', '0', '1']);
  const fills = named(tags, 'rect').flatMap(({ attributes }) => attributes.fill ?? []);
  assert.equal(fills[5], fills[6]);
  assert.equal(fills[1], fills[11]);
  assert.notEqual(fills[1], fills[5]);
});
