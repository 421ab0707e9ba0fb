// Keyboard shortcuts of the page.

// `zoom` handles its own keys while a map is open; `actionOf` returns the action of another key.
export function listenToKeys(element, zoom, actionOf) {
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.(
      "input:not(.size), select, textarea, [contenteditable]",
    );
    const isSliding = event.target.closest?.(".size") && /^(Arrow|Page|Home|End)/.test(event.key);
    const isHidden = !element.isConnected || !element.offsetParent;
    const isUndo = (event.ctrlKey || event.metaKey) && event.key === "z";
    // Many keyboard layouts need AltGr (Control and Alt) or Option (Alt) for a bracket.
    const isBracket = event.altKey && !event.metaKey && ["[", "]"].includes(event.key);
    const isCommand = (event.altKey || event.ctrlKey || event.metaKey) && !isUndo && !isBracket;
    if (isTyping || isSliding || isHidden || isCommand) return;
    const action = zoom.press(event.key) ? () => {} : actionOf(event.key.toLowerCase());
    if (!action) return;
    event.preventDefault();
    action();
  });
}
