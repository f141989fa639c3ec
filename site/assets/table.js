// Tables that sort: each column head becomes a button. Without this script they are plain tables.

// The number at the beginning of a cell ("+0.6 ± 0.3", "1,234", "0.98x (...)"), or its text.
function valueOf(cell) {
  const text = cell?.textContent.trim() ?? "";
  const number = /^[+\-−]?[\d,]*\.?\d+/.exec(text);
  return number ? Number(number[0].replaceAll(",", "").replace("−", "-")) : text;
}

function compare(a, b) {
  if (a === "" || b === "") return (a === "") - (b === ""); // empty cells come last in either order
  if (typeof a === typeof b) return typeof a === "number" ? a - b : a.localeCompare(b);
  return typeof a === "number" ? -1 : 1;
}

for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const falling = head.getAttribute("aria-sort") !== "descending"; // the largest first, then the smallest
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", falling ? "descending" : "ascending");
      const rows = [...table.tBodies[0].rows].map((row) => ({ row, value: valueOf(row.cells[column]) }));
      rows.sort((a, b) => (falling && a.value !== "" && b.value !== "" ? compare(b.value, a.value) : compare(a.value, b.value)));
      table.tBodies[0].append(...rows.map(({ row }) => row));
    });
  });
}
