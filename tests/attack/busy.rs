//! A sweep ends under any load, and so does the reading of what is written.
