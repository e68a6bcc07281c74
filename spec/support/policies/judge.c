/*
 * Answers the questions of selinuxfs from a compiled policy, with libsepol: rules, booleans and constraints. One line in, one line out:
 *   access SOURCE TARGET CLASS   0 or 1 (the source is permissive), then the permissions
 *   create SOURCE TARGET CLASS   a context
 *   known CLASS                  the permissions of the class
 *   type TYPE                    0 or 1
 * Build and run: cc judge.c -o judge -l:libsepol.a && ./judge POLICY
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sepol/policydb/policydb.h>
#include <sepol/policydb/services.h>
#include <sepol/policydb/sidtab.h>
#include <sepol/sepol.h>

static policydb_t db;
static sidtab_t sids;

static int sid(const char *context, sepol_security_id_t *found) { return sepol_context_to_sid(context, strlen(context) + 1, found); }

static void print_permissions(sepol_security_class_t class, sepol_access_vector_t vector) {
  for (unsigned bit = 0; bit < 32; bit++) {
    if (!(vector & 1u << bit)) continue;
    const char *name = sepol_av_perm_to_string(class, 1u << bit);
    if (name && *name && strcmp(name, "(null)")) printf(" %s", name + strspn(name, " "));
  }
}

static void answer(const char *verb, const char *first, const char *second, const char *name) {
  sepol_security_id_t source, target, made;
  sepol_security_class_t class = 0;
  if (!strcmp(verb, "type")) {
    printf("%d", hashtab_search(db.p_types.table, (char *)first) != NULL);
    return;
  }
  if (sepol_string_to_security_class(*name ? name : first, &class)) {
    printf("invalid");
    return;
  }
  if (!strcmp(verb, "known")) {
    unsigned count = db.class_val_to_struct[class - 1]->permissions.nprim;
    print_permissions(class, count == 32 ? ~0u : (1u << count) - 1);
    return;
  }
  if (sid(first, &source) || sid(second, &target)) {
    printf("invalid");
  } else if (!strcmp(verb, "create")) {
    char *context;
    size_t length;
    if (sepol_transition_sid(source, target, class, &made) || sepol_sid_to_context(made, &context, &length)) printf("invalid");
    else printf("%s", context);
  } else {
    struct sepol_av_decision decision;
    unsigned reason = 0;
    unsigned count = db.class_val_to_struct[class - 1]->permissions.nprim;
    sepol_compute_av_reason(source, target, class, ~0u, &decision, &reason);
    printf("%d", ebitmap_get_bit(&db.permissive_map, sepol_sidtab_search(&sids, source)->type));
    print_permissions(class, decision.allowed & (count == 32 ? ~0u : (1u << count) - 1));
  }
}

int main(int count, char **arguments) {
  FILE *file = count == 2 ? fopen(arguments[1], "r") : NULL;
  struct policy_file input;
  policy_file_init(&input);
  input.type = PF_USE_STDIO;
  input.fp = file;
  if (!file || policydb_init(&db) || policydb_read(&db, &input, 0) || sepol_sidtab_init(&sids) || policydb_load_isids(&db, &sids)) return 2;
  sepol_set_policydb(&db);
  sepol_set_sidtab(&sids);
  char line[1024], verb[16], first[256], second[256], class[64];
  while (fgets(line, sizeof line, stdin)) {
    *second = *class = 0;
    if (sscanf(line, "%15s %255s %255s %63s", verb, first, second, class) < 2) return 3;
    answer(verb, first, second, class);
    putchar('\n');
    fflush(stdout);
  }
  return 0;
}
