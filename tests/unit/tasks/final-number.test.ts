import { test } from 'node:test';
import { check } from './check.js';

test('final-number, corrected: the last number counts, with its sign, its separators and at any length', async () => {
  await check({ type: 'final-number', value: 'She saves 40 dollars a week.\n#### 1,200' }, [
    ['1200', true],
    ['So she saves $1,200.', true],
    ['So she saves $1,200.00 in all.', true],
    ['12 + 1188 = 1200', true],
    ['1,200 and not 1,201', false],
    ['200', false],
    ['-1200', false],
    ['#### 1200', true],
    ['12,00', false],
    ['no idea', false],
    ['', false],
  ]);
  await check({ type: 'final-number', value: '-5' }, [
    ['The temperature is -5 degrees.', true],
    ['The temperature is −5 degrees.', true],
    ['x = -5.0', true],
    ['a loss of -$5', true],
    ['10-5', false],
    ['f(2)-5', false],
    ['10 -5', false],
    ['5', false],
  ]);
  await check({ type: 'final-number', value: '9007199254740993' }, [
    ['9,007,199,254,740,993', true],
    ['9007199254740992', false],
  ]);
  await check({ type: 'final-number', value: '0.5' }, [
    ['.50', true],
    ['0.05', false],
    ['5', false],
  ]);
});

// By hand from re.findall(r"\d*\.?\d+") with float() on the last match, and int() on the gold's.
test('final-number, official: signs are lost, separators cut numbers, gold is cut to a whole number', async () => {
  await check({ type: 'final-number', value: '#### 1,200', extraction: 'official' }, [
    ['1200', false],
    ['200', true],
    ['1,200', true],
    ['7,200', true],
  ]);
  await check({ type: 'final-number', value: '-5', extraction: 'official' }, [
    ['5', true],
    ['-5', true],
    ['-5.0', true],
    ['5.5', false],
  ]);
  await check({ type: 'final-number', value: '#### 72.9', extraction: 'official' }, [
    ['72', true],
    ['72.9', false],
  ]);
  await check({ type: 'final-number', value: '18', extraction: 'official' }, [
    ['18. That is it.', true],
    ['It costs $18.50', false],
    ['nothing', false],
  ]);
});
