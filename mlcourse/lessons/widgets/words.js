// What widgets say in words: sentences that come from Python with gaps, lists, counted things.

export const fill = (sentence, figures) => sentence.replace(/\{(\d)\}/g, (_, k) => figures[k]);
export const listed = (parts) => [parts.slice(0, -1).join(", "), ...parts.slice(-1)].filter(Boolean).join(" and ");
export const counted = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
