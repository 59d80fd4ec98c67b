//! A command and its keys are judged by one ACL selector.
