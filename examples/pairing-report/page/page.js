// Draws each chart from its Vega-Lite specification, and redraws it when its width changes. Colours are CSS variables of
// the page, so a chart does not have to be redrawn for light mode, dark mode or print. The bundle provides `vegaEmbed`.
const tooltip = document.getElementById("tooltip");

function showTooltip(_handler, event, _item, text) {
  tooltip.hidden = !text;
  if (!text) return;
  tooltip.textContent = text;
  const { width, height } = tooltip.getBoundingClientRect();
  const left = Math.min(Math.max(event.clientX - width / 2, 8), document.documentElement.clientWidth - width - 8);
  const above = event.clientY - height - 14;
  tooltip.style.left = `${left}px`;
  tooltip.style.top = `${above < 8 ? event.clientY + 18 : above}px`;
}

// Names shrink with the cells of the matrix, but remain readable.
function labelSize(element) {
  const places = Number(element.dataset.squareOf);
  return Math.min(Math.max((element.clientWidth / places) * 0.6, 8), 11.5);
}

async function draw(element, specification) {
  let width = element.clientWidth;
  const params = element.dataset.squareOf ? [{ name: "label_px", value: labelSize(element) }] : [];
  const { view } = await vegaEmbed(
    element,
    { ...specification, params, width, height: element.clientHeight },
    {
      actions: false,
      ast: true, // interprets expressions, because the Content-Security-Policy of the page forbids `eval`
      defaultStyle: false,
      renderer: "svg",
      tooltip: showTooltip,
    },
  );
  new ResizeObserver(() => {
    if (element.clientWidth === width) return;
    width = element.clientWidth;
    view.width(width).height(element.clientHeight);
    if (element.dataset.squareOf) view.signal("label_px", labelSize(element));
    view.runAsync();
  }).observe(element);
}

const charts = JSON.parse(document.getElementById("charts").textContent);
await Promise.all(
  Object.entries(charts).map(([name, specification]) => draw(document.getElementById(name), specification)),
);
document.documentElement.dataset.drawn = Object.keys(charts).length;
