"""Detection of layout problems by a script in the page."""

#: Screen sizes in CSS pixels. The last two are phones at 200 % zoom.
SCREENS = [
    (320, 240), (360, 640), (390, 844), (768, 1024), (1080, 1920), (1280, 720), (1920, 1080), (2560, 1080),
    (3840, 2160), (844, 390), (195, 422), (422, 195),
]  # fmt: skip

#: Returns the problems: visible texts that overlap, and elements that are off screen.
PROBLEMS = """(scrolls) => {
  const found = [], texts = [], width = innerWidth, height = innerHeight;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const hidden = (element) => {
    for (let each = element; each; each = each.parentElement) {
      const style = getComputedStyle(each);
      const clipped = style.clip === 'rect(0px, 0px, 0px, 0px)';
      if (style.opacity === '0' || style.display === 'none' || clipped) return true;
    }
    return getComputedStyle(element).visibility !== 'visible';
  };
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.data.trim() || parent.closest('script, noscript, .scroll') || hidden(parent)) continue;
    const range = document.createRange(), style = getComputedStyle(parent);
    range.selectNodeContents(node);
    for (const box of range.getClientRects()) {
      if (box.width < 1 || box.height < 1) continue;
      // Only the letters, since the line is taller.
      const letters = parseFloat(style.fontSize), middle = (box.top + box.bottom) / 2;
      const high = Math.min(box.height, letters * 0.9) / 2;
      const text = {node, words: node.data.trim().slice(0, 40), left: box.left, right: box.right,
        top: middle - high, bottom: middle + high};
      for (let each = parent; each !== document.body; each = each.parentElement) {
        if (getComputedStyle(each).overflowX !== 'hidden') continue;
        const clip = each.getBoundingClientRect();
        text.left = Math.max(text.left, clip.left);
        text.right = Math.min(text.right, clip.right);
      }
      if (text.right > text.left) texts.push(text);
    }
  }
  for (const text of texts) {
    const outside = text.left < -1 || text.right > width + 1
      || (!scrolls && (text.top < -1 || text.bottom > height + 1));
    if (outside) found.push(`off screen: ${text.words}`);
  }
  for (let i = 0; i < texts.length; i += 1) {
    for (let j = i + 1; j < texts.length; j += 1) {
      const a = texts[i], b = texts[j];
      const across = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const down = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (a.node !== b.node && across > 1 && down > 1) found.push(`overlap: ${a.words} / ${b.words}`);
    }
  }
  for (const id of ['ring', 'sound', 'status', 'graph', 'round', 'today', 'past']) {
    const element = document.getElementById(id);
    if (!element || hidden(element)) continue;
    const box = element.getBoundingClientRect();
    const outside = box.left < -1 || box.right > width + 1
      || (!scrolls && (box.top < -1 || box.bottom > height + 1));
    if (outside) found.push(`off screen: #${id}`);
  }
  const edges = (id) => document.getElementById(id) && document.getElementById(id).getBoundingClientRect();
  const stage = edges('stage');
  if (stage && stage.top < edges('head').bottom - 1) found.push('overlap: ring and title');
  if (stage && stage.bottom > edges('foot').top + 1) found.push('overlap: ring and footer');
  if (document.documentElement.scrollWidth > width) found.push('scrolls sideways');
  if (!scrolls && document.documentElement.scrollHeight > height + 1) found.push('scrolls');
  return Array.from(new Set(found));
}"""
