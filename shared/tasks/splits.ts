import type { PlacedItem, Row } from './parse.js';
import { SPLITS, type Split, type TaskItem } from './task.js';

/** The rows of each split that there is. */
export type SplitRows = Readonly<Partial<Record<Split, readonly Row[]>>>;

/** The questions alone. */
export function itemsOf(placed: Readonly<Record<Split, readonly PlacedItem[]>>): Record<Split, TaskItem[]> {
  const items = (split: Split): TaskItem[] => placed[split].map(({ item }) => item);
  return { train: items('train'), val: items('val'), test: items('test') };
}

/** What two splits have in common, a fault each: an id, or a prompt under one system message unless prompts may be shared. */
export function crossSplitFaults(
  placed: Readonly<Record<Split, readonly PlacedItem[]>>,
  sharedPrompts: boolean,
): string[] {
  const faults: string[] = [];
  const seen = new Map<string, { readonly split: Split; readonly place: string }>();
  const note = (key: string, split: Split, { place }: PlacedItem, what: string): void => {
    const earlier = seen.get(key);
    if (earlier === undefined) seen.set(key, { split, place });
    else if (earlier.split !== split)
      faults.push(`${place}: ${what} stands in ${earlier.split} too (${earlier.place})`);
  };
  for (const split of SPLITS)
    for (const placedItem of placed[split]) {
      const { id, system = '', prompt } = placedItem.item;
      note(JSON.stringify([id]), split, placedItem, `id "${id}"`);
      if (!sharedPrompts) note(JSON.stringify([system, prompt]), split, placedItem, `the prompt of "${id}"`);
    }
  return faults;
}
