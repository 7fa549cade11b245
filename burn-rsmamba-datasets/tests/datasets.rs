//! Everything a folder may hold, good and bad; all files are made here.

mod datasets {
    mod support;

    mod align;
    mod augment;
    mod baselines;
    mod corpus;
    mod crops;
    mod damaged;
    mod demo;
    mod gdal;
    mod georeference;
    mod giant;
    mod labels;
    mod layouts;
    mod lists;
    mod loader;
    mod openers;
    mod pairs;
    mod rasters;
    mod reader;
    mod samples;
    mod statistics;
    mod windows;
}
