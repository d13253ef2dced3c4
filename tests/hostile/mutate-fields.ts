import { WireType } from '@bufbuild/protobuf/wire';
import { hostileBytes, hostileDouble, hostileInteger, hostileText, type Words } from './hostile-values.js';
import type { Field, Schema } from './schema.js';
import { format, messagesIn, type Node, type WireMessage } from './wire.js';

/** What mutating needs. */
export interface MutationContext {
  readonly schema: Schema;
  readonly words: Words;
}

type Mutation = (message: WireMessage, context: MutationContext) => void;

/** Changes one to four things in a valid message, each anywhere in it, so that most of it stays as it was. */
export function mutateFields(message: WireMessage, context: MutationContext): void {
  const { random } = context.words;
  for (let i = random.pick([1, 1, 1, 2, 2, 3, 4]); i > 0; i -= 1) {
    const inside = random.pick([...messagesIn(message)]);
    random.pick(MUTATIONS)(inside, context);
  }
}

const drop: Mutation = ({ nodes }, { words: { random } }) => {
  if (nodes.length > 0) nodes.splice(random.below(nodes.length), 1);
};

const repeat: Mutation = ({ nodes }, { words: { random } }) => {
  const node = nodes[random.below(nodes.length)];
  if (!node) return;
  const times = random.chance(0.1) && sizeOf(node) < 100 ? random.pick([65, 300, 4097]) : 1;
  nodes.push(...Array.from({ length: times }, () => copyOf(node)));
};

const shuffle: Mutation = ({ nodes }, { words: { random } }) => {
  if (nodes.length > 1) nodes.unshift(...nodes.splice(random.below(nodes.length), 1));
};

const replace: Mutation = ({ nodes }, context) => {
  const at = context.words.random.below(nodes.length);
  const node = nodes[at];
  if (node) nodes[at] = hostileNode(node.field, context, 0);
};

const add: Mutation = ({ type, nodes }, context) => {
  const fields = [...context.schema.get(type)!.values()];
  if (fields.length > 0) nodes.push(hostileNode(context.words.random.pick(fields), context, 0));
};

const wrongWire: Mutation = ({ nodes }, { words: { random } }) => {
  const at = random.below(nodes.length);
  const node = nodes[at];
  if (!node) return;
  const wires = [
    [WireType.Varint, Buffer.of(1)],
    [WireType.Bit32, Buffer.alloc(4, 1)],
    [WireType.Bit64, Buffer.alloc(8, 1)],
    [WireType.LengthDelimited, Buffer.of(2, 8, 1)],
  ] as const;
  const [wire, raw] = random.pick(wires);
  nodes[at] = { field: node.field, wire, raw };
};

const unknownField: Mutation = ({ nodes }, { words: { random } }) => {
  const no = random.pick([15, 99, 1000, 19_000, 2 ** 29 - 1]);
  const field: Field = { no, name: '', kind: 'bytes', repeated: false, message: '' };
  nodes.push({ field, value: random.bytes(random.below(40)) });
};

/** Values are what services look at, so they change most often. */
const MUTATIONS: readonly Mutation[] = [
  drop,
  repeat,
  shuffle,
  replace,
  replace,
  replace,
  replace,
  add,
  add,
  add,
  wrongWire,
  unknownField,
];

const DEPTH_MAX = 4;

function hostileNode(field: Field, context: MutationContext, depth: number): Node {
  const { words, schema } = context;
  switch (field.kind) {
    case 'double':
    case 'float':
      return { field, value: hostileDouble(words) };
    case 'string':
      return { field, value: hostileText(words) };
    case 'bytes':
      return { field, value: hostileBytes(words) };
    case 'message': {
      const fields = depth < DEPTH_MAX ? [...schema.get(field.message)!.values()] : [];
      const chosen = fields.filter(() => words.random.chance(0.5));
      const nodes = chosen.map((inner) => hostileNode(inner, context, depth + 1));
      return { field, value: { type: field.message, nodes } };
    }
    default:
      if (!field.repeated) return { field, value: hostileInteger(field, words) };
      return {
        field,
        packed: Array.from({ length: words.random.pick([0, 1, 3, 600]) }, () => hostileInteger(field, words)),
      };
  }
}

/** Of its own, so that a later change of one copy does not change them all. */
function copyOf(node: Node): Node {
  if (!('value' in node) || typeof node.value !== 'object' || Buffer.isBuffer(node.value)) return node;
  const { type, nodes } = node.value;
  return { field: node.field, value: { type, nodes: nodes.map(copyOf) } };
}

function sizeOf(node: Node): number {
  return format({ type: '', nodes: [node] }).length;
}
