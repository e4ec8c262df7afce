// Waiting for a condition: it ends as soon as the condition holds, and says what was missing if not.

/** The longest wait for something that should happen at once. */
export const PATIENCE_MS = 20_000;
/** Between two looks at a condition that nothing announces. */
const LOOK_EVERY_MS = 5;

/** Answers what the promise answers, or fails; `what` is text, or a function that is asked by then. */
export async function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    const say = () => (typeof what === 'function' ? what() : what);
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${say()}`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Looks until `look` answers something true, and answers that. */
export async function eventually(what, look, ms = PATIENCE_MS) {
  const end = Date.now() + ms;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
  }
}
