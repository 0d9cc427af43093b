/* The last file: the page begins. */
"use strict";

App.start();
