// The keyboard: what a key does, unless something else on the page has it.

// `wayOf` tells what a key does; `zoom` has its own keys while it is open.
export function listenToKeys(element, zoom, wayOf) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.(
      "input:not(.size), select, textarea, [contenteditable]",
    );
    const isSliding = event.target.closest?.(".size") && /^(Arrow|Page|Home|End)/.test(event.key);
    const isHidden = !element.isConnected || !element.offsetParent;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
    // On many keyboards a bracket is typed with AltGr (Control and Alt) or Option (Alt).
    const isTyped = event.altKey && !event.metaKey && ["[", "]"].includes(event.key);
    const isCommand = (event.altKey || event.ctrlKey || event.metaKey) && !isUndo && !isTyped;
    if (isTyping || isSliding || isHidden || isCommand) return;
    const key = event.key.toLowerCase();
    const way = zoom.press(event.key) ? () => {} : wayOf(key);
    if (!way) return;
    event.preventDefault();
    way();
  });
}
