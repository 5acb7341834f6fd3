(function () {
  "use strict";
  var root = document.documentElement;
  var byId = function (id) { return document.getElementById(id); };
  var all = function (selector) { return Array.prototype.slice.call(document.querySelectorAll(selector)); };

  // Light and dark: the system's choice until the reader makes another.
  var button = byId("theme");
  var stored = null;
  try { stored = localStorage.getItem("agent-report-theme"); } catch (error) { /* a file may have no storage */ }
  var isDark = function () {
    return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  };
  var label = function () { button.textContent = isDark() ? "Light" : "Dark"; button.setAttribute("aria-label", isDark() ? "Light theme" : "Dark theme"); };
  if (stored === "dark" || stored === "light") { root.dataset.theme = stored; }
  button.hidden = false;
  label();
  button.addEventListener("click", function () {
    root.dataset.theme = isDark() ? "light" : "dark";
    try { localStorage.setItem("agent-report-theme", root.dataset.theme); } catch (error) { /* as above */ }
    label();
  });

  // A link into something closed opens it.
  var reveal = function () {
    var target = location.hash && byId(location.hash.slice(1));
    if (!target) { return; }
    for (var node = target; node; node = node.parentElement) {
      if (node.tagName === "DETAILS") { node.open = true; }
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  // The same link again changes no hash.
  document.addEventListener("click", function (event) {
    var link = event.target.closest && event.target.closest("a[href^='#']");
    if (link && link.getAttribute("href") === location.hash) { reveal(); }
  });
  reveal();

  var openAll = function (open) { all("details.agent").forEach(function (item) { item.open = open; }); };
  byId("controls").hidden = false;
  byId("open-all").addEventListener("click", function () { openAll(true); });
  byId("close-all").addEventListener("click", function () { openAll(false); });

  // On paper the agents are open that need attention or changed, with the runs cited there, and afterwards as it was.
  var opened = [];
  addEventListener("beforeprint", function () {
    opened = all("details.paper:not([open]), details.paper details.cited:not([open])");
    opened.forEach(function (item) { item.open = true; });
  });
  addEventListener("afterprint", function () {
    opened.forEach(function (item) { item.open = false; });
    opened = [];
  });

  // The filter looks at the names, states and words of agents.
  var words = byId("words");
  var found = byId("found");
  var total = all("details.agent").length;
  byId("filter").hidden = false;
  byId("filter").addEventListener("submit", function (event) { event.preventDefault(); });
  words.addEventListener("input", function () {
    var wanted = words.value.trim().toLowerCase().split(/\s+/).filter(Boolean);
    var left = 0;
    all("tr[data-agent]").forEach(function (row) {
      var section = byId(row.dataset.agent);
      var lead = section.querySelector(".lead");
      var text = (row.textContent + " " + (lead ? lead.textContent : "")).toLowerCase();
      var fits = wanted.every(function (word) { return text.indexOf(word) >= 0; });
      row.hidden = section.hidden = !fits;
      left += fits ? 1 : 0;
    });
    found.textContent = wanted.length ? left + " of " + total + " agents" : "";
  });
})();
