package client;

import java.util.List;

/** What of a reply is of interest: its status, its error, and who was found, best first. */
record Answer(String status, String error, List<String> profileIds) {}
