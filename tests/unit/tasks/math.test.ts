import { test } from 'node:test';
import { check } from './check.js';

test('math, corrected: one value in many spellings', async () => {
  await check({ type: 'math', value: '\\frac{1}{2}' }, [
    ['so it is \\boxed{\\frac{1}{2}}.', true],
    ['\\boxed{\\dfrac12}', true],
    ['\\boxed{0.5}', true],
    ['\\boxed{1/2}', true],
    ['\\boxed{ \\tfrac{1}{2} }', true],
    ['\\fbox{1/2}', true],
    ['The answer is: $\\frac{1}{2}$. Done.', true],
    ['The answer is 0.5.', true],
    ['\\boxed{50}', false],
    ['\\boxed{50\\%}', false],
    ['\\boxed{2}', false],
    ['0.5', false],
    ['\\boxed{}', false],
    ['', false],
  ]);
  await check({ type: 'math', value: '\\frac{\\sqrt{3}}{2}' }, [
    ['\\boxed{\\sqrt{3}/2}', true],
    ['\\boxed{\\sqrt3/2}', true],
    ['\\boxed{\\frac{3}{2\\sqrt{3}}}', true],
    ['\\boxed{0.866}', false],
  ]);
  await check({ type: 'math', value: '10,\\!080' }, [
    ['\\boxed{10080}', true],
    ['\\boxed{10,080}', true],
    ['\\boxed{10{,}080 \\text{ ways}}', false],
    ['\\boxed{10080 \\text{ ways}}', true],
    ['\\boxed{1008}', false],
  ]);
  await check({ type: 'math', value: '12\\pi' }, [
    ['\\boxed{12\\pi}', true],
    ['\\boxed{12 \\cdot \\pi}', true],
    ['\\boxed{37.7}', false],
  ]);
});

test('math, corrected: lists keep their brackets and order; variables are compared as text', async () => {
  await check({ type: 'math', value: '(3, \\frac{\\pi}{2})' }, [
    ['\\boxed{\\left( 3, \\frac{\\pi}{2} \\right)}', true],
    ['\\boxed{(3,\\pi/2)}', true],
    ['\\boxed{[3,\\pi/2]}', false],
    ['\\boxed{(\\pi/2,3)}', false],
    ['\\boxed{(3,\\pi/2,0)}', false],
  ]);
  await check({ type: 'math', value: '[-2, 7]' }, [
    ['\\boxed{[-2,7]}', true],
    ['\\boxed{(-2,7)}', false],
  ]);
  await check({ type: 'math', value: 'x^2+1' }, [
    ['\\boxed{x^{2}+1}', true],
    ['\\boxed{y = x^2+1}', true],
    ['\\boxed{1+x^2}', false],
  ]);
  await check({ type: 'math', value: '\\text{Evelyn}' }, [
    ['\\boxed{\\text{Evelyn}}', true],
    ['\\boxed{Evelyn}', true],
    ['\\boxed{Carla}', false],
  ]);
});

// By hand from competation_math.py of evaluation/fishfarm: math_equal(gold, answer).
test('math, official: percentages, lost brackets, tolerance, and an \\fbox that is no answer', async () => {
  await check({ type: 'math', value: '50', extraction: 'official' }, [
    ['\\boxed{0.50}', true],
    ['\\boxed{0.5}', false],
    ['\\boxed{5000}', true],
    ['\\boxed{50.004}', true],
    ['\\boxed{50.01}', false],
    ['\\fbox{50}', false],
    ['\\boxed 50', false],
    ['The answer is: 50.\nSo \\boxed{7}', true],
    ['The answer is: 50 \\boxed{50}', false],
    ['', false],
  ]);
  await check({ type: 'math', value: '(1,2)', extraction: 'official' }, [
    ['\\boxed{1,2}', true],
    ['\\boxed{[1,2]}', false],
    ['\\boxed{(1.00001,2)}', true],
    ['\\boxed{(2,1)}', false],
  ]);
  await check({ type: 'math', value: '', extraction: 'official' }, [
    ['no box', true],
    ['\\fbox{3}', true],
    ['\\boxed{3}', false],
  ]);
  await check({ type: 'math', value: '\\frac{1}{2}', extraction: 'official' }, [
    ['\\boxed{0.5}', true],
    ['\\boxed{\\frac12}', true],
    ['\\boxed{1/2}', true],
    ['\\boxed{0.5001}', true],
    ['\\boxed{.5 \\text{ cm}}', true],
    ['\\boxed{50}', false],
    ['\\boxed{\\frac}', false],
  ]);
});
