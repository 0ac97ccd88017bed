// What has to be mended in Bokeh and Tabulator, on a page and in a notebook alike; once a window.
(() => {
  if (window.wbMends) return;
  window.wbMends = true;
  // On a page this runs before Bokeh has come, in a notebook after it.
  const whenThere = (act) =>
    document.readyState === "loading" ? addEventListener("DOMContentLoaded", act) : act();
  const prototypeOf = (name) => window.Bokeh?.Models?.get(name)?.prototype.default_view?.prototype;

  // What Tabulator and the slider leave unsaid to who cannot see them. Each part of a Panel page
  // is in a shadow root of its own, so each root is watched from when it is made.
  const mend = (root) => {
    for (const holder of root.querySelectorAll(".tabulator-tableholder:not([role])")) {
      holder.setAttribute("role", "rowgroup");
      holder.querySelector(".tabulator-table")?.setAttribute("role", "presentation");
    }
    for (const handle of root.querySelectorAll(".noUi-handle:not([aria-label])"))
      handle.setAttribute("aria-label", root.querySelector(".bk-slider-title")?.textContent.trim() || "Value");
  };
  // A table that was laid out before its style sheet came is laid out again, as after a resize.
  let settling = 0;
  const settle = () => {
    cancelAnimationFrame(settling);
    settling = requestAnimationFrame(() => dispatchEvent(new Event("resize")));
  };
  const watch = (root) => {
    new MutationObserver(() => mend(root)).observe(root, { childList: true, subtree: true });
    root.addEventListener("load", () => root.querySelector(".tabulator") && settle(), true);
  };
  const attach = Element.prototype.attachShadow;
  Element.prototype.attachShadow = function (options) {
    const root = attach.call(this, options);
    watch(root);
    return root;
  };
  const walk = (root) => {
    for (const found of root.querySelectorAll("*")) {
      if (!found.shadowRoot) continue;
      watch(found.shadowRoot);
      mend(found.shadowRoot);
      walk(found.shadowRoot);
    }
  };
  walk(document);

  // Bokeh enables and disables elements that it has not drawn yet, and then drops what else came
  // with it. What is drawn later is drawn as it has to be.
  whenThere(() => {
    for (const name of ["Button", "TextInput", "Select", "Slider", "Checkbox"]) {
      for (let view = prototypeOf(name); view; view = Object.getPrototypeOf(view)) {
        if (!Object.hasOwn(view, "controls") || view.controls.isOfDrawn) continue;
        const all = view.controls;
        view.controls = function* () { for (const found of all.call(this)) if (found) yield found; };
        view.controls.isOfDrawn = true;
      }
    }
  });

  // Bokeh loses what is put into a layout while that layout is being built, since it listens to
  // its model only afterwards; and it draws a part twice that is put in while another one is.
  whenThere(() => {
    let view = prototypeOf("Column");
    while (view && !Object.hasOwn(view, "build_child_views")) view = Object.getPrototypeOf(view);
    if (!view || view.build_child_views.isInTurn) return;
    const build = view.build_child_views, listen = view.connect_signals;
    view.build_child_views = function () {
      const turn = () => build.call(this);
      return (this.wbTurn = (this.wbTurn ?? Promise.resolve()).then(turn, turn));
    };
    view.build_child_views.isInTurn = true;
    view.connect_signals = function () {
      listen.call(this);
      const models = this.child_models, views = this.child_views;
      if (models.length !== views.length || models.some((model, i) => views[i]?.model !== model))
        this.update_children();
    };
  });

  // Panel's buttons listen once more to their own element each time their label changes.
  whenThere(() => {
    const view = prototypeOf("panel.models.widgets.Button");
    if (!view || view.render.isTidy) return;
    const render = view.render;
    view.render = function () {
      const { el } = this, add = el.addEventListener, heard = [];
      for (const [kind, act] of this.wbHeard ?? []) el.removeEventListener(kind, act);
      this.wbHeard = heard;
      el.addEventListener = (kind, act, ...options) => {
        heard.push([kind, act]);
        add.call(el, kind, act, ...options);
      };
      try {
        render.call(this);
      } finally {
        delete el.addEventListener;
      }
    };
    view.render.isTidy = true;
  });

  // Tabulator draws all rows anew when its height has changed, also where it has drawn all of them:
  // once for what was taken away, and once more for what has come.
  whenThere(() => {
    const view = prototypeOf("panel.models.tabulator.DataTabulator");
    if (!view || view.tableBuilt.isCalm) return;
    const built = view.tableBuilt;
    view.tableBuilt = function () {
      const table = this.tabulator;
      if (table.options.renderVertical === "basic") table.eventBus.subscribe("table-resize", () => {});
      built.call(this);
    };
    view.tableBuilt.isCalm = true;
  });

  // Bokeh lets go of parts that were taken away once nothing has come for half a minute. That may
  // be never on a page that follows: here it is half a minute after the first of them.
  whenThere(() => {
    const all = window.Bokeh?.require("document/document").Document.prototype;
    const schedule = all?._schedule_recompute_all_models;
    if (!schedule || schedule.isSteady) return;
    all._schedule_recompute_all_models = function () {
      if (this._recompute_timer === null) schedule.call(this);
    };
    all._schedule_recompute_all_models.isSteady = true;
  });
})();
