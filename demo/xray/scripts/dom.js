// Elements made from what others have named: text is only ever text.

// `fields` are properties, `children` elements or strings.
export function make(tag, fields = {}, ...children) {
  const { data = {}, style = {}, ...properties } = fields;
  const element = Object.assign(document.createElement(tag), properties);
  Object.assign(element.dataset, data);
  for (const [name, value] of Object.entries(style)) element.style.setProperty(name, value);
  element.append(...children.filter((child) => child !== null));
  return element;
}
