// What parts of the page show stands in the address's #, the part that was changed last first: timeline?t=…;flame?zoom=….
"use strict";

const stateParts = () => location.hash.slice(1).split(";").filter((part) => part.includes("?"));

// Return what the address says of a part, with its name; null where it says nothing.
const readState = (name) => stateParts().find((part) => part.startsWith(`${name}?`)) ?? null;

const isFirstState = (name) => stateParts()[0]?.startsWith(`${name}?`) ?? false;

// Texts are written by URLSearchParams, which lets no ";" through.
function writeState(name, text) {
  const address = `#${[text, ...stateParts().filter((part) => !part.startsWith(`${name}?`))].join(";")}`;
  if (location.hash !== address) history.replaceState(null, "", address);
}
