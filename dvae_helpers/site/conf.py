"""Sphinx's settings for the site of the course."""

project = "Disentangled VAEs"
author = "the authors of the course"
html_title = project
root_doc = "index"
language = "en"
extensions = ["myst_nb"]
html_theme = "sphinx_book_theme"
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["course.js"]
html_show_copyright = False
html_last_updated_fmt = None
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_navbar_depth": 1,
    "show_toc_level": 2,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_context = {"default_mode": "auto"}
nitpicky = False

nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}
nb_code_prompt_show = "Show {type}"
nb_code_prompt_hide = "Hide {type}"
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
myst_heading_slug_func = "dvae_helpers.site.slug.slug"

mathjax_path = "mathjax.js"
mathjax3_config = {
    "tex": {"packages": {"[-]": ["autoload", "require"]}, "tags": "none"},
    "svg": {"fontCache": "local"},
    "options": {"enableMenu": False},
}
